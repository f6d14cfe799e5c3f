/// What this package throws; the message says what, where, and what is allowed.
public enum GhostlensError: Error, Equatable, Sendable {
    /// A manifest or a `release.json` is malformed, or of a newer schema.
    case manifest(String)
    /// A version, or a range of versions, is not of the form that is allowed.
    case version(String)
    /// A model's answer is no answer.
    case confidence(String)
    /// Pixels that are not of the size that is said, or not allowed.
    case photo(String)
}
