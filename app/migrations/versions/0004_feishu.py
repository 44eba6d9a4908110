"""Feishu: accepted events, the conversations they belong to, and each chat's collection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite has kept the first of these where an earlier version was killed in here
    again = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "feishu_inbox",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("event_id", sa.String(128), nullable=False, unique=True),
        sa.Column("message_id", sa.String(128), nullable=True, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("session", sa.String(200), nullable=False),
        sa.Column("chat_id", sa.String(128), nullable=False),
        sa.Column("person", sa.String(128), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(200), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("pardoned", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("card_id", sa.String(128), nullable=True),
        sa.Column("reply_id", sa.String(128), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("sending_at", sa.Float(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        if_not_exists=again,
    )
    op.create_index("feishu_inbox_by_state", "feishu_inbox", ["state", "session"], if_not_exists=again)
    op.create_index("feishu_inbox_by_session", "feishu_inbox", ["session", "id"], if_not_exists=again)
    op.create_index("feishu_inbox_by_reply", "feishu_inbox", ["reply_id"], if_not_exists=again)
    op.create_index("feishu_inbox_by_chat", "feishu_inbox", ["chat_id", "id"], if_not_exists=again)
    op.create_table(
        "feishu_sessions",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("forgotten_until", sa.Integer(), nullable=False),
        if_not_exists=again,
    )
    op.create_index("ix_feishu_sessions_owner", "feishu_sessions", ["owner"], if_not_exists=again)
    op.create_table(
        "feishu_chats",
        sa.Column("chat_id", sa.String(128), primary_key=True),
        sa.Column("collection", sa.String(64), nullable=False),
        if_not_exists=again,
    )


def downgrade() -> None:
    for table in ("feishu_chats", "feishu_sessions", "feishu_inbox"):
        op.drop_table(table)
