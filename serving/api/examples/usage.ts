const { SERVER, KEY, MODEL, DEVICE, VERSION, DAY, LABEL } = process.env;
const day = {
  version: VERSION,
  day: DAY, // in UTC
  verdicts: { sure: 17, unsure: 3 },
  labels: { [LABEL!]: 20 },
  confidences: [0, 0, 0, 0, 0, 0, 3, ...Array(12).fill(0), 17], // the bins stand in the API's document
  sent: 3,
};
const headers: Record<string, string> = { "Content-Type": "application/json" };
if (KEY) headers["X-API-Key"] = KEY;

const answer = await fetch(`${SERVER}/v1/models/${MODEL}/usage`, {
  method: "POST",
  headers,
  body: JSON.stringify({ report_id: crypto.randomUUID(), device_id: DEVICE, days: [day] }),
});
if (!answer.ok) throw new Error(await answer.text());
const { counted } = (await answer.json()) as { counted: boolean };
console.log(counted ? "counted" : "was here before");
