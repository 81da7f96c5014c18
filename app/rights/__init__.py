"""Who may read what: locks of frames, users, and the tokens that say who somebody is (`tokens`)."""

from app.rights.locks import Lock, User, allowed, demand, demand_role, lock_of, release_of, utc_text

__all__ = ["Lock", "User", "allowed", "demand", "demand_role", "lock_of", "release_of", "utc_text"]
