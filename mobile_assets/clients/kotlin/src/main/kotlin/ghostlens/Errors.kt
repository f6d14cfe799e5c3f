package ghostlens

/** What this package throws; the message says what, where, and what is allowed. */
open class GhostlensException(message: String) : Exception(message)

/** A manifest or a `release.json` is malformed, or of a newer schema. */
class ManifestException(message: String) : GhostlensException(message)

/** A version, or a range of versions, is not of the form that is allowed. */
class VersionException(message: String) : GhostlensException(message)

/** A model's answer is no answer. */
class ConfidenceException(message: String) : GhostlensException(message)

/** Pixels that are not of the size that is said, or not allowed. */
class PhotoException(message: String) : GhostlensException(message)
