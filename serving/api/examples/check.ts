const { SERVER, KEY, MODEL, DEVICE, VERSION } = process.env;
const device = {
  platform: "android",
  device_id: DEVICE, // the same at each check
  current: { version: VERSION }, // what the device runs
};
const headers: Record<string, string> = { "Content-Type": "application/json" };
if (KEY) headers["X-API-Key"] = KEY;

const answer = await fetch(`${SERVER}/v1/models/${MODEL}/check`, {
  method: "POST",
  headers,
  body: JSON.stringify(device),
});
if (!answer.ok) throw new Error(await answer.text());
// A hint: verify release.json and each file with a TUF client before you switch.
const found = (await answer.json()) as { action: string; version: string | null; reason: string };
console.log(found.action, found.version, found.reason);
