import type { Named, Recognition } from "ghostlens";
import { activity, problem, running, updateModel } from "../delivery/models.ts";
import { DownloadNote } from "../DownloadNote.tsx";
import { Icon } from "../icons.tsx";
import { ProblemNote } from "../ProblemNote.tsx";
import { mayAsk } from "../settings/choices.ts";
import { nameOf } from "../words/names.ts";
import { say, sayPercent } from "../words/words.ts";
import { isWorthAsking } from "./pacing.ts";
import { chooseLabel } from "./settled.ts";
import { asking, cameraState, type Held, held, isOpening, live, trouble } from "./state.ts";
import { keepOrder } from "./steady.ts";
import { tell, tellCorrected, tellSource } from "./telling.ts";

/** The answer: to what the camera sees, or the one that is held; or why there is none. */
export function AnswerPanel() {
  return (
    <div class="answer">
      {trouble.value !== null && <ProblemNote problem={trouble.value} />}
      <Answer />
    </div>
  );
}

function Answer() {
  const model = running.value;
  if (held.value !== null) return <HeldAnswer held={held.value} />;
  if (model === null) return <NoModel />;
  if (isOpening.value) return <p class="answer-wait">{say("scan.photo.opening")}</p>;
  const answer = live.value;
  if (answer === null) {
    const word = cameraState.value.kind === "on" ? "scan.looking" : "scan.invite";
    return <p class="answer-wait">{say(word)}</p>;
  }
  const { accelerator } = model.recogniser;
  const source = { by: "device", accelerator, tookMs: answer.tookMs } as const;
  return (
    <>
      <Headline recognition={answer.recognition} />
      {answer.recognition.verdict !== "unknown" && <Bars top={answer.top} />}
      <p class="answer-source">{tellSource(source, model.model.version)}</p>
      <AskingNote verdict={answer.recognition.verdict} />
    </>
  );
}

function Headline({ recognition }: { recognition: Recognition }) {
  const { badge, icon, title, more } = tell(recognition);
  return (
    <div class={`headline ${recognition.verdict}`}>
      <p class="headline-badge">
        <Icon name={icon} />
        {badge}
      </p>
      <h1>{title}</h1>
      {more !== "" && <p class="headline-more">{more}</p>}
    </div>
  );
}

function Bars({ top }: { top: readonly Named[] }) {
  return (
    <ol class="bars">
      {top.map(({ label, probability }) => (
        <li key={label}>
          <span class="bars-name">{nameOf(label)}</span>
          <Share label={label} probability={probability} />
        </li>
      ))}
    </ol>
  );
}

function Share({ label, probability }: Named) {
  return (
    <>
      <meter min={0} max={1} value={probability} aria-label={nameOf(label)} />
      <span class="bars-share">{sayPercent(probability)}</span>
    </>
  );
}

function HeldAnswer({ held: { scan, label, isCorrected } }: { held: Held }) {
  const { recognition, source, version } = scan;
  const told = isCorrected ? tellCorrected(scan) : tellSource(source, version);
  return (
    <>
      {isCorrected && label !== null ? (
        <div class="headline sure">
          <p class="headline-badge">
            <Icon name="check" />
            {say("scan.badge.corrected")}
          </p>
          <h1>{nameOf(label)}</h1>
        </div>
      ) : (
        <Headline recognition={recognition} />
      )}
      {recognition.verdict !== "unknown" && !isCorrected && (
        <Choices top={keepOrder([], recognition)} chosen={label} />
      )}
      {scan.barcode !== null && (
        <p class="answer-barcode">
          <Icon name="barcode" />
          {say("scan.barcode", { ...scan.barcode })}
        </p>
      )}
      <p class="answer-source">{told}</p>
      {!isCorrected && <AskingNote verdict={recognition.verdict} />}
    </>
  );
}

/** The first names, one of which is counted. */
function Choices({ top, chosen }: { top: readonly Named[]; chosen: string | null }) {
  return (
    <fieldset class="bars">
      <legend class={chosen === null ? undefined : "visually-hidden"}>{say("scan.which")}</legend>
      {top.map(({ label, probability }) => (
        <label key={label}>
          <input
            type="radio"
            name="label"
            checked={label === chosen}
            aria-label={`${nameOf(label)}, ${sayPercent(probability)}`}
            onChange={() => chooseLabel(label)}
          />
          <span class="bars-name">{nameOf(label)}</span>
          <Share label={label} probability={probability} />
        </label>
      ))}
    </fieldset>
  );
}

function AskingNote({ verdict }: Pick<Recognition, "verdict">) {
  const state = asking.value;
  if (!mayAsk.value && isWorthAsking(verdict)) {
    return (
      <p class="answer-source">
        {say("scan.ask.not-allowed")} <a href="#settings">{say("scan.ask.allow")}</a>
      </p>
    );
  }
  if (state.kind === "idle") return null;
  if (state.kind === "busy") return <p class="answer-source">{say("scan.ask.busy-now")}</p>;
  return (
    <p class="answer-source failed" role="status">
      {say(state.problem.word, state.problem.values)}
    </p>
  );
}

/** What is going on while there is no model, or why there is none. */
function NoModel() {
  if (!isSecureContext) return null; // where the picture would be, it says why
  const state = activity.value;
  const failed = problem.value;
  if (state.kind === "downloading") return <DownloadNote {...state} />;
  if (state.kind === "idle" && failed !== null) {
    return (
      <div class="answer-wait">
        <ProblemNote problem={failed} />
        <button type="button" class="button primary" onClick={() => void updateModel()}>
          {say("scan.model.again")}
        </button>
      </div>
    );
  }
  const word = state.kind === "testing" ? "scan.model.testing" : "model.starting";
  return <p class="answer-wait">{say(word)}</p>;
}
