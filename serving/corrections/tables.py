"""Tables of corrections and of the photos that were kept with them."""

from sqlalchemy import BigInteger, Column, Float, Index, String, Table, Text

from serving.state.database import metadata

OPEN, ACCEPTED, REJECTED, DUPLICATE = "open", "accepted", "rejected", "duplicate"
STATES = (OPEN, ACCEPTED, REJECTED, DUPLICATE)
# What a photo shows in truth: a label of the version, something else that has a name, or no item.
LABEL, OTHER, NOT_AN_ITEM = "label", "other", "not-an-item"
KINDS = (LABEL, OTHER, NOT_AN_ITEM)

# Times are whole milliseconds since 1970. Devices stand under the SHA-256 of their id.
corrections = Table(
    "corrections",
    metadata,
    Column("correction_id", String(36), primary_key=True),
    Column("request_sha256", String(64), nullable=False),  # of what was said, without the photo
    Column("received_ms", BigInteger, nullable=False),
    Column("scanned_ms", BigInteger, nullable=False),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("device", String(64), nullable=False),
    Column("answered_label", String(200)),
    Column("answered_probability", Float),
    Column("answered_verdict", String(16), nullable=False),
    Column("answered_by", String(16), nullable=False),
    Column("right_kind", String(16), nullable=False),
    Column("right_label", String(200)),
    Column("site", String(64)),
    Column("note", Text),
    # Of the photo: its file's as the device has it, the kept file's, and the perceptual hashes of
    # that and its mirror image, as hexadecimal digits.
    Column("file_sha256", String(64)),
    Column("kept_sha256", String(64)),
    Column("look", String(96)),
    Column("photo", String(16), nullable=False),  # what became of it
    Column("photo_name", String(200)),  # NULL once it is gone
    Column("photo_until_ms", BigInteger),
    Column("state", String(16), nullable=False),
    Column("duplicate_of", String(36)),
    Column("conflict_with", String(36)),  # an earlier one of the same photo that says otherwise
    Column("decided_ms", BigInteger),
    Column("decided_by", String(200)),
    Column("reason", Text),
    # What was accepted, which may be another label than the one that was said.
    Column("final_kind", String(16)),
    Column("final_label", String(200)),
)
Index("corrections_listed", corrections.c.model, corrections.c.received_ms)
Index("corrections_of_device", corrections.c.device, corrections.c.received_ms)
Index("corrections_of_file", corrections.c.file_sha256)
Index("corrections_of_photo", corrections.c.kept_sha256)
Index("corrections_with_photo", corrections.c.photo_name)
# Every photo is noted here before it is written, so that none is forgotten where it lies.
kept_photos = Table(
    "kept_photos",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("noted_ms", BigInteger, nullable=False),
)
