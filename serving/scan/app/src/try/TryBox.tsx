import { signal } from "@preact/signals";
import { Answers } from "./Answers.tsx";
import { inWords } from "./agreement.ts";
import { fetchFile } from "./fetching.ts";
import { StepPictures } from "./StepPictures.tsx";
import { type Attempt, attempt, compares, recognise } from "./attempt.ts";
import type { ShownRelease } from "./release.ts";

const over = signal(false);
const trouble = signal("");
/** The place of the model file in the release's list. */
const chosen = signal(0);

export function TryBox({ release }: { readonly release: ShownRelease }) {
  const take = (photo: Blob | undefined, name: string): void => {
    const file = release.files[chosen.value];
    if (photo === undefined || file === undefined) return;
    trouble.value = "";
    void recognise(release, file, name, photo);
  };
  return (
    <>
      <Choice release={release} take={take} />
      {trouble.value !== "" && (
        <p class="notice" role="alert">
          {trouble.value}
        </p>
      )}
      <p class="unseen" role="status">
        {attempt.value === null ? "" : summarise(attempt.value)}
      </p>
      {attempt.value !== null && <Shown {...attempt.value} />}
    </>
  );
}

interface ChoiceProps {
  readonly release: ShownRelease;
  readonly take: (photo: Blob | undefined, name: string) => void;
}

function Choice({ release, take }: ChoiceProps) {
  return (
    <div class="choice">
      <label
        class={over.value ? "drop low over" : "drop low"}
        onDragEnter={() => (over.value = true)}
        onDragLeave={() => (over.value = false)}
        onDrop={() => (over.value = false)}
      >
        <input
          type="file"
          accept="image/*"
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            take(file, file?.name ?? "");
            currentTarget.value = "";
          }}
        />
        <span class="hint">Choose a photo, or drop one here</span>
      </label>
      {release.samples.length > 0 && (
        <div class="samples" role="group" aria-label="Golden photos of the release">
          <span class="quiet">or a golden photo:</span>
          {release.samples.map(({ label, url }) => (
            <button
              type="button"
              class="sample"
              title={label}
              onClick={() => void fetchSample(url).then((file) => take(file, label))}
            >
              <img src={url} alt={label} loading="lazy" />
            </button>
          ))}
        </div>
      )}
      {release.files.length > 1 && (
        <label class="pick">
          <span>Model file</span>
          <select
            onChange={({ currentTarget }) => {
              chosen.value = currentTarget.selectedIndex;
              take(attempt.value?.photo, attempt.value?.name ?? "");
            }}
          >
            {release.files.map(({ path, precision }) => (
              <option key={path}>{precision}</option>
            ))}
          </select>
        </label>
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={compares.value}
          onChange={({ currentTarget }) => (compares.value = currentTarget.checked)}
        />
        <span>
          Send the photo to this server too, and compare. <span class="quiet">It is not kept.</span>
        </span>
      </label>
    </div>
  );
}

async function fetchSample(url: string): Promise<Blob | undefined> {
  try {
    const response = await fetchFile(url);
    if (response.ok) return await response.blob();
  } catch {
    // Told below, as a refusal is.
  }
  trouble.value = "The golden photo could not be fetched from the server.";
  return undefined;
}

function Shown(shown: Attempt) {
  const { steps } = shown;
  return (
    <>
      <h3>What happens to the photo</h3>
      {steps.kind === "done" ? (
        <StepPictures steps={steps.value} />
      ) : steps.kind === "waiting" ? (
        <p class="quiet">{steps.words}</p>
      ) : (
        <p class="notice">
          {steps.words} <small>{steps.detail}</small>
        </p>
      )}
      <Answers {...shown} />
    </>
  );
}

/** What a screen reader says of the state; the rest can be read in the page. */
function summarise({ name, device, cloud }: Attempt): string {
  const here =
    device.kind === "done"
      ? `This device says: ${inWords(device.value.found)}.`
      : device.words;
  if (cloud === null) return `${name}. ${here}`;
  const there = cloud.kind === "done" ? `The server says: ${cloud.value.words}.` : cloud.words;
  return device.kind === "waiting" ? `${name}. ${here}` : `${name}. ${here} ${there}`;
}
