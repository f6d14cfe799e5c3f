/** Puts into plain words why a model could not be got or started. */

import {
  ConfigError,
  type Distrust,
  ManifestError,
  NetworkError,
  SelfTestError,
  StorageError,
  TrustError,
  UntestedError,
} from "ghostlens";
import type { Problem } from "../problem.ts";
import { InsecureError } from "../recognising/errors.ts";
import { RuntimeMissingError, UnsupportedError } from "../recognising/recogniser.ts";
import { OfflineError, RefusedError } from "../server.ts";
import type { Word } from "../words/words.ts";
import { ChoiceError } from "./choosing.ts";
import { ElsewhereError } from "./elsewhere.ts";

/** How far a download was. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const BYTES_PER_MB = 1e6;
const NO_ANSWER = 0;
const UNAUTHORISED = 401;
const FORBIDDEN = 403;
const TOO_MANY = 429;
const BROKEN = 500;
const DISTRUST: Partial<Record<Distrust, Word>> = {
  expired: "model.problem.expired",
  older: "model.problem.older",
  unsigned: "model.problem.unsigned",
  "not-published": "model.problem.notPublished",
};
/** Why a device gets no model at all, by the code of the check. */
const NOTHING: Record<string, Word> = {
  network: "model.problem.metered",
  "no-space": "model.problem.full",
  "nothing-fits": "model.problem.nothingFits",
  "refused-here": "model.problem.refused",
};

/** Returns what a person is told of an error. */
export function explain(error: unknown, progress: Progress | null): Problem {
  if (error instanceof UntestedError && error.cause) return explain(error.cause, progress);
  const detail = describe(error);
  if (error instanceof ChoiceError) {
    return { word: error.models.length === 0 ? "model.problem.none" : "model.problem.choose", detail };
  }
  const status = findStatus(error);
  if (isElsewhere(error) && !hasBegun(progress)) return { word: "model.problem.elsewhere", detail };
  if (status !== null) return { ...explainStatus(status, progress), detail };
  return { word: findWord(error), detail };
}

/** Returns what a person is told where the server offers this device nothing, and it has nothing. */
export function explainNothing(code: string, reason: string): Problem {
  return { word: NOTHING[code] ?? "model.problem.notOffered", detail: reason };
}

/** Whether an error may be gone at the next attempt, without anybody's doing. */
export function mayPass(error: unknown): boolean {
  if (error instanceof UntestedError) return mayPass(error.cause);
  if (error instanceof RuntimeMissingError) return true;
  const status = findStatus(error);
  return status !== null && (status === NO_ANSWER || status === TOO_MANY || status >= BROKEN);
}

/** Returns bytes as megabytes, for people. */
export function toMegabytes(bytes: number): string {
  return (bytes / BYTES_PER_MB).toFixed(bytes < 10 * BYTES_PER_MB ? 1 : 0);
}

/** Returns the HTTP status of an error; 0 where no answer came, null where it is of no request. */
function findStatus(error: unknown): number | null {
  if (error instanceof OfflineError) return NO_ANSWER;
  if (error instanceof NetworkError || error instanceof RefusedError) return error.status;
  return null;
}

function explainStatus(status: number, progress: Progress | null): Omit<Problem, "detail"> {
  if (status === UNAUTHORISED) return { word: "model.problem.key" };
  if (status === FORBIDDEN) return { word: "model.problem.scope" };
  if (status === NO_ANSWER && hasBegun(progress)) {
    const done = toMegabytes(progress.doneBytes);
    return { word: "model.problem.cut", values: { done, total: toMegabytes(progress.totalBytes) } };
  }
  if (status === NO_ANSWER) return { word: "model.problem.offline" };
  return { word: "model.problem.server", values: { status } };
}

function hasBegun(progress: Progress | null): progress is Progress {
  return progress !== null && progress.totalBytes > 0;
}

function isElsewhere(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof ElsewhereError;
}

function findWord(error: unknown): Word {
  if (error instanceof TrustError) return DISTRUST[error.code] ?? "model.problem.tampered";
  if (error instanceof SelfTestError) return "model.problem.selfTest";
  if (error instanceof InsecureError) return "scan.camera.insecure";
  if (error instanceof UnsupportedError) return "model.problem.unsupported";
  if (error instanceof RuntimeMissingError) return "model.problem.runtime";
  if (error instanceof ManifestError) return "model.problem.newer";
  if (error instanceof ConfigError) return "model.problem.settings";
  if (error instanceof StorageError) {
    return isFull(error) ? "model.problem.full" : "model.problem.storage";
  }
  return "model.problem.other";
}

function isFull(error: StorageError): boolean {
  return (error.cause as { name?: unknown } | undefined)?.name === "QuotaExceededError";
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof TrustError ? ` (${error.code})` : "";
  return `${error.name}${code}: ${error.message}`;
}
