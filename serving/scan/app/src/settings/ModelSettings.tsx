/** The model in use, and how another one comes. */

import { useEffect } from "preact/hooks";
import { chosenModel, listModels, offeredModels } from "../delivery/choosing.ts";
import {
  activity,
  checked,
  chooseModel,
  goBack,
  problem,
  running,
  stopUpdate,
  updateModel,
} from "../delivery/models.ts";
import { toMegabytes } from "../delivery/problems.ts";
import { ProblemNote } from "../ProblemNote.tsx";
import { say, sayTime } from "../words/words.ts";
import { ActivityNote } from "./ActivityNote.tsx";
import { findOutcome } from "./outcomes.ts";

export function ModelSettings() {
  return (
    <section class="card" aria-labelledby="settings-model">
      <h2 id="settings-model">{say("settings.model")}</h2>
      <ModelChoice />
      <ModelFacts />
      {problem.value !== null && <ProblemNote problem={problem.value} isOfModel />}
      <ActivityNote />
      <ModelButtons />
    </section>
  );
}

/** Shown where the server has several models. */
function ModelChoice() {
  useEffect(() => {
    // Without a network the choice is as it was.
    listModels().catch(() => undefined);
  }, []);
  const names = offeredModels.value;
  if (names.length < 2) return null;
  return (
    <label class="field">
      <span>{say("settings.whichModel")}</span>
      <select
        value={chosenModel.value}
        onChange={(event) => void chooseModel(event.currentTarget.value)}
      >
        {chosenModel.value === "" && <option value="">{say("settings.choose")}</option>}
        {names.map((name) => (
          <option value={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function ModelFacts() {
  const now = running.value;
  const found = checked.value;
  const outcome = found && findOutcome(found);
  const when = found && sayTime(found.at);
  return (
    <dl class="facts">
      <dt>{say("settings.version")}</dt>
      <dd>{now === null ? say("settings.noModel") : `${now.model.manifest.model} ${now.model.version}`}</dd>
      {now !== null && <dt>{say("settings.size")}</dt>}
      {now !== null && <dd>{say("settings.megabytes", { size: countMegabytes() })}</dd>}
      {now !== null && <dt>{say("settings.computedBy")}</dt>}
      {now !== null && <dd>{say(`settings.by.${now.recogniser.accelerator}`)}</dd>}
      <dt>{say("settings.checked")}</dt>
      <dd>
        {when ?? say("settings.never")}
        {outcome && <div>{say(outcome, { version: found?.version ?? "" })}</div>}
      </dd>
    </dl>
  );
}

/** What the version in use takes on this device. */
function countMegabytes(): string {
  const now = running.value;
  if (now === null) return "0";
  const others = now.model.manifest.otherFiles.filter(({ role }) =>
    ["labels", "names", "golden", "licence"].includes(role),
  );
  const bytes = others.reduce((sum, file) => sum + file.sizeBytes, now.model.artifact.sizeBytes);
  return toMegabytes(bytes);
}

function ModelButtons() {
  const isIdle = activity.value.kind === "idle";
  const { former, left } = running.value ?? { former: null, left: null };
  return (
    <div class="buttons">
      <button class="button primary" disabled={!isIdle} onClick={() => void updateModel()}>
        {say("settings.update")}
      </button>
      {activity.value.kind === "downloading" && (
        <button class="button" onClick={stopUpdate}>
          {say("settings.stop")}
        </button>
      )}
      {former !== null && (
        <button class="button" disabled={!isIdle} onClick={() => void goBack()}>
          {say("settings.goBack", { version: former })}
        </button>
      )}
      {left !== null && (
        <button class="button" disabled={!isIdle} onClick={() => void updateModel(true)}>
          {say("settings.again", { version: left })}
        </button>
      )}
    </div>
  );
}
