"""Who may ask what, how often, and from where."""

from serving.access.caller import current_key
from serving.access.scopes import needs

__all__ = ["current_key", "needs"]
