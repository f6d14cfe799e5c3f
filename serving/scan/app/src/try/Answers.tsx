import type { Named, Verdict } from "ghostlens";
import { type Agreement, compare, inWords } from "./agreement.ts";
import type { Attempt, DeviceAnswer, Outcome } from "./attempt.ts";
import type { CloudAnswer } from "./cloud.ts";
import type { ShownRelease } from "./release.ts";

const SHOWN = 3;

interface AnswersProps {
  readonly release: ShownRelease;
  readonly shown: Attempt;
}

/** What this device and the server say, side by side, and whether it is the same. */
export function Answers({ release, shown }: AnswersProps) {
  const { device, cloud } = shown;
  const both = device.kind === "done" && cloud?.kind === "done";
  return (
    <>
      <div class="columns">
        <div>
          <h3>On this device</h3>
          <Shown outcome={device}>
            {(found) => <Said {...found.found} words={inWords(found.found)} detail={describeHere(found, release)} />}
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
      {both && <Agreed agreement={compare(device.value.found, cloud.value)} cloud={cloud.value} />}
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

function describeHere({ timings, accelerator }: DeviceAnswer, { artifact }: ShownRelease): string {
  const name = artifact?.path.split("/").at(-1) ?? "";
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
}

function Agreed({ agreement, cloud }: AgreedProps) {
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
          ? `Of one calibrated probability, over ${labels} labels. Both run the same network; what differs is the decoder of JPEG and the order of sums.`
          : `The server answered with a wider network (${cloud.architecture}): names and verdicts can be compared, probabilities not.`}
      </p>
    </div>
  );
}

function Mark({ good, children }: { readonly good: boolean; readonly children: string }) {
  return <span class={good ? "pill" : "pill bad"}>{children}</span>;
}

/** As in "7.4e-7": how many zeros there are is what matters. */
function shorten(difference: number): string {
  return difference === 0 ? "0" : difference.toExponential(1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
