/** Why a picture got no answer. */

/** The browser cannot run models at all. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
}

/** The page came over plain http: browsers give it nothing to check signatures with. */
export class InsecureError extends Error {
  override readonly name = "InsecureError";
}

/** The runtime's files could not be fetched; nothing is wrong with the model. */
export class RuntimeMissingError extends Error {
  override readonly name = "RuntimeMissingError";
}

/** The runtime refused the model's file, ran out of memory or died; it may be opened again. */
export class CrashedError extends Error {
  override readonly name = "CrashedError";
}

/** This one file is no photo that the browser can decode. */
export class PhotoError extends Error {
  override readonly name: string = "PhotoError";
}

/** It is one, but larger or thinner than what is allowed. */
export class PhotoSizeError extends PhotoError {
  override readonly name = "PhotoSizeError";
}
