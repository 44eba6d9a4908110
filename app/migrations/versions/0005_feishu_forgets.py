"""Feishu: a conversation is forgotten up to a message, and not up to a row that came earlier or later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feishu_inbox", sa.Column("forgets", sa.Boolean(), nullable=False, server_default=sa.false()))
    inbox = sa.table("feishu_inbox", sa.column("id"), sa.column("session"), sa.column("forgets"))
    sessions = sa.table("feishu_sessions", sa.column("key"), sa.column("forgotten_until"))
    last = sa.select(sessions.c.key).where(sessions.c.key == inbox.c.session, sessions.c.forgotten_until == inbox.c.id)
    op.execute(sa.update(inbox).where(last.exists()).values(forgets=sa.true()))
    op.drop_column("feishu_sessions", "forgotten_until")


def downgrade() -> None:
    op.add_column(
        "feishu_sessions", sa.Column("forgotten_until", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.drop_column("feishu_inbox", "forgets")
