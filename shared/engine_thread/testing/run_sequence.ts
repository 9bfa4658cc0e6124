/** Runs sequences on an engine to their end, for tests of engines with and without a device. */

import type { Engine, EngineSequence, SequenceEvent, SequenceJob } from "../../engine/engine.ts";

type Finished = Extract<SequenceEvent, { readonly type: "finished" }>;

let nextId = 0;

/** A greedy `generate` job with an id of its own. */
export function jobOf(
  promptTokens: readonly number[],
  job: Partial<Omit<SequenceJob, "promptTokens">> = {},
): SequenceJob {
  return {
    kind: "generate",
    sequenceId: `sequence-${nextId++}`,
    promptTokens,
    sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
    maxTokens: 8,
    stopTokenIds: [],
    ...job,
  };
}

/** All events of a sequence. */
export async function collectEvents(sequence: EngineSequence): Promise<SequenceEvent[]> {
  return await Array.fromAsync(sequence);
}

/** Waits for the next event of a type; throws when the sequence ends without it. */
export async function nextEvent<Type extends SequenceEvent["type"]>(
  events: AsyncIterator<SequenceEvent>,
  type: Type,
): Promise<Extract<SequenceEvent, { readonly type: Type }>> {
  while (true) {
    const { value, done } = await events.next();
    if (done) throw new Error(`The sequence ended without a "${type}" event`);
    if (isOfType(value, type)) return value;
  }
}

/** The generated tokens; throws when the sequence failed. */
export function generatedTokens(events: readonly SequenceEvent[]): number[] {
  return events.flatMap((event) => {
    if (event.type === "failed") throw new Error(`${event.code}: ${event.message}`);
    return event.type === "token" ? [event.id] : [];
  });
}

/** Device time of a sequence: of its chunks and its tokens. */
export function computeMs(events: readonly SequenceEvent[]): number {
  return events.reduce((sum, event) => "computeMs" in event ? sum + event.computeMs : sum, 0);
}

/** The last event, where it is `finished`. */
export function finishOf(events: readonly SequenceEvent[]): Finished | null {
  const last = events.at(-1);
  return last?.type === "finished" ? last : null;
}

/** Generates a job's tokens: the prompt on one engine, the rest on another, KV handed over. */
export async function handOver(
  engines: { readonly prefill: Engine; readonly decode: Engine },
  job: SequenceJob,
): Promise<number[]> {
  const prefilling = engines.prefill.submit({ ...job, kind: "prefill" });
  const decoding = engines.decode.submit({ ...job, kind: "decode" });
  const decodeEvents = decoding[Symbol.asyncIterator]();
  await nextEvent(decodeEvents, "scheduled");
  const tokens: number[] = [];
  for await (const event of prefilling) {
    if (event.type === "kv") decoding.importKv(event.firstBlock, event.data);
    else if (event.type === "token") tokens.push(event.id);
    else if (event.type === "finished") decoding.begin(tokens[0]);
    else if (event.type === "failed") throw new Error(`${event.code}: ${event.message}`);
  }
  const rest = await Array.fromAsync({ [Symbol.asyncIterator]: () => decodeEvents });
  return [...tokens, ...generatedTokens(rest)];
}

function isOfType<Type extends SequenceEvent["type"]>(
  event: SequenceEvent,
  type: Type,
): event is Extract<SequenceEvent, { readonly type: Type }> {
  return event.type === type;
}
