/** Errors of this package. Each says what, where and what is allowed. */

/** The root of all errors that this package throws on purpose. */
export class GhostlensError extends Error {
  override readonly name: string = "GhostlensError";
}

/** A model could not be pulled; the version in use is untouched. */
export class PullError extends GhostlensError {
  override readonly name: string = "PullError";
}

/** The server is unreachable, silent, broke off, or answered with an error. */
export class NetworkError extends PullError {
  override readonly name: string = "NetworkError";

  /** @param status the HTTP status; 0 where there was no answer. */
  constructor(
    message: string,
    readonly status: number = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Why something is not trusted. */
export type Distrust =
  | "expired" // old metadata are repeated, nobody renewed them, or the clock here is wrong
  | "older" // older than what was seen before
  | "unsigned" // not signed by the keys that the trusted root names
  | "other-bytes" // other bytes than were signed
  | "too-large" // more bytes than were signed or are allowed
  | "malformed" // not metadata at all
  | "not-published" // signed metadata do not name it
  | "not-allowed"; // the signed policy does not allow it to this device

/** What was received is not what the trusted root vouches for. */
export class TrustError extends PullError {
  override readonly name: string = "TrustError";

  constructor(
    readonly code: Distrust,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A manifest, a release file or an answer is malformed, or of a newer schema. */
export class ManifestError extends PullError {
  override readonly name: string = "ManifestError";
}

/** A model does not answer as expected on this device. */
export class SelfTestError extends GhostlensError {
  override readonly name: string = "SelfTestError";
}

/** The app cannot run any model now, so that a self-test says nothing: no version is refused. */
export class UntestedError extends GhostlensError {
  override readonly name: string = "UntestedError";
}

/** The disk is full, or what is stored cannot be read or written. */
export class StorageError extends GhostlensError {
  override readonly name: string = "StorageError";
}

/** A setting of the app is not allowed; the message says what is. */
export class ConfigError extends GhostlensError {
  override readonly name: string = "ConfigError";
}

/** A version, or a range of versions, is not of the form that is allowed. */
export class VersionError extends GhostlensError {
  override readonly name: string = "VersionError";
}
