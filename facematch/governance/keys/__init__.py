"""Keys: where the key of a watchlist comes from, how data is sealed under it, how templates are rotated.

Three layers. A *provider* holds the key-encryption key, or asks a key service for it. It wraps one *vault key* a
watchlist. The vault key wraps one *data key* a subject, and the data key seals everything that is personal about the
subject. Destroying a data key therefore makes every copy of what it sealed unreadable, in old backups too.
"""

from facematch.governance.keys.envelope import KEY_BYTES, derive, new_key, seal, unseal
from facematch.governance.keys.providers import CallableKeys, FileKeys, StaticKeys
from facematch.governance.keys.rotation import orthogonal
from facematch.governance.keys.signing import SigningKey

__all__ = [
    "KEY_BYTES",
    "CallableKeys",
    "FileKeys",
    "SigningKey",
    "StaticKeys",
    "derive",
    "new_key",
    "orthogonal",
    "seal",
    "unseal",
]
