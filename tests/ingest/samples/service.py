"""退款服务 The refund service."""

import datetime

WINDOW_DAYS = 15


class Refunds:
    """处理退款 Handles refunds."""

    def allowed(self, bought: datetime.date, today: datetime.date) -> bool:
        """十五天之内可以退款。"""
        return (today - bought).days <= WINDOW_DAYS

    # Money goes back the way it came.
    def pay_back(self, order: str) -> str:
        return f"paid back {order}"


def main() -> str:
    return Refunds().pay_back("A-1")
