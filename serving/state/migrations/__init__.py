"""The steps from an empty database to today's tables (Alembic); `upgrading` takes those missing.

There is no env.py: what runs them has its connection already.
"""

# The newest revision, which a start compares with without loading Alembic. Whoever adds a step
# names it here, so that two steps added at the same time are a conflict and not two heads.
HEAD = "drift"
