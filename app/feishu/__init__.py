"""Feishu and Lark: events in, answers out; no web framework inside."""
