"""What the server tells those who run it: request ids, logs, metrics, traces."""

from serving.observing.request_ids import request_id

__all__ = ["request_id"]
