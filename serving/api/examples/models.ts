const { SERVER, KEY } = process.env;
const headers: Record<string, string> = KEY ? { "X-API-Key": KEY } : {};

const answer = await fetch(`${SERVER}/v1/models`, { headers });
if (!answer.ok) throw new Error(await answer.text());
const { models } = (await answer.json()) as { models: { model: string; current: string }[] };
for (const { model, current } of models) console.log(model, current);
