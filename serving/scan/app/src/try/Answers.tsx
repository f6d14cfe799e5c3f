import type { Named, Verdict } from "ghostlens";
import { type Agreement, compare, inWords } from "./agreement.ts";
import type { Attempt, DeviceAnswer, Outcome } from "./attempt.ts";
import type { CloudAnswer } from "./cloud.ts";
import type { ShownFile } from "./release.ts";

const SHOWN = 3;

/** What this device and the server say, side by side, and whether it is the same. */
export function Answers({ device, cloud, file }: Attempt) {
  const both = device.kind === "done" && cloud?.kind === "done";
  return (
    <>
      <div class="columns">
        <div>
          <h3>On this device</h3>
          <Shown outcome={device}>
            {(found) => (
              <Said
                {...found.found}
                words={inWords(found.found)}
                detail={describeHere(found, file)}
              />
            )}
          </Shown>
        </div>
        {cloud !== null && (
          <div>
            <h3>On this server</h3>
            <Shown outcome={cloud}>
              {(found) => <Said {...found} detail={describeThere(found)} />}
            </Shown>
          </div>
        )}
      </div>
      {both && (
        <Agreed
          agreement={compare(device.value.found, cloud.value)}
          cloud={cloud.value}
          file={file}
        />
      )}
    </>
  );
}

interface ShownProps<T> {
  readonly outcome: Outcome<T>;
  readonly children: (value: T) => preact.ComponentChildren;
}

function Shown<T>({ outcome, children }: ShownProps<T>) {
  if (outcome.kind === "done") return <>{children(outcome.value)}</>;
  if (outcome.kind === "waiting") return <p class="quiet">{outcome.words}</p>;
  return (
    <p class="notice">
      {outcome.words} <small>{outcome.detail}</small>
    </p>
  );
}

interface SaidProps {
  readonly verdict: Verdict;
  readonly words: string;
  readonly answers: readonly Named[];
  readonly detail: string;
}

function Said({ verdict, words, answers, detail }: SaidProps) {
  return (
    <>
      <p class="verdict">
        {words} <span class="pill">{verdict}</span>
      </p>
      <ul class={`bars ${verdict}`}>
        {answers.slice(0, SHOWN).map(({ label, probability }) => (
          <li>
            <span>{label}</span>
            <span class="number">{percent(probability)}</span>
            <div class="bar">
              <i style={{ width: `${100 * probability}%` }} />
            </div>
          </li>
        ))}
      </ul>
      <p class="quiet">{detail}</p>
    </>
  );
}

function describeHere({ timings, accelerator }: DeviceAnswer, { path }: ShownFile): string {
  const name = path.split("/").at(-1) ?? "";
  const steps = { decode: timings.decode, "resize and crop": timings.prepare, run: timings.run };
  return `${name} in LiteRT.js (${accelerator}); ${listTimes(steps)}`;
}

function describeThere({ architecture, answered_by, timings_ms }: CloudAnswer): string {
  const network = answered_by === "cloud" ? `${architecture}, the cloud model` : architecture;
  const { prepare = 0, run = 0 } = timings_ms;
  return `${network}; ${listTimes({ "decode, resize and crop": prepare, run })}`;
}

function listTimes(steps: Record<string, number>): string {
  return Object.entries(steps)
    .map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`)
    .join(", ");
}

interface AgreedProps {
  readonly agreement: Agreement;
  readonly cloud: CloudAnswer;
  readonly file: ShownFile;
}

function Agreed({ agreement, cloud, file }: AgreedProps) {
  const { sameName, sameVerdict, sameNetwork, largestDifference, labels } = agreement;
  return (
    <div class="agreement">
      <h3>Do they agree?</h3>
      <p>
        <Mark good={sameName}>{sameName ? "same first name" : "another first name"}</Mark>{" "}
        <Mark good={sameVerdict}>{sameVerdict ? "same verdict" : "another verdict"}</Mark>{" "}
        {sameNetwork && (
          <span class="pill">largest difference {shorten(largestDifference)}</span>
        )}
      </p>
      <p class="quiet">
        {sameNetwork
          ? `Of one calibrated probability, over ${labels} labels. ${explain(file)}`
          : `The server answered with a wider network (${cloud.architecture}): names and verdicts can be compared, probabilities not.`}
      </p>
    </div>
  );
}

function Mark({ good, children }: { readonly good: boolean; readonly children: string }) {
  return <span class={good ? "pill" : "pill bad"}>{children}</span>;
}

function explain({ isServers, precision }: ShownFile): string {
  return isServers
    ? "Both run the same file; what differs is the decoder of photos and the order of sums."
    : `Both run the same network, here as ${precision}: each file has a temperature and thresholds of its own.`;
}

/** As in "7.4e-7": how many zeros there are is what matters. */
function shorten(difference: number): string {
  return difference === 0 ? "0" : difference.toExponential(1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
