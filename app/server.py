"""The application for servers that import one: `uvicorn app.server:app`. The one module whose import does something."""

from app.factory import create_app
from app.observability import configure_logging
from app.settings import load_settings

_settings = load_settings()
configure_logging(_settings.log_level)
app = create_app(_settings)
