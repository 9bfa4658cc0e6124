/**
 * The fixed prompts of the text and accuracy tests, here and in tests/e2e.
 *
 * They vary in what changes a forward pass: length, language, digits, code, repetition, several
 * turns, a system message. Their texts are computed by the reference (`reference_text.ts`).
 */

import type { SampleParameters } from "../../shared/engine/backend.ts";

/** Tokens generated for each prompt at most; fewer where the model ends its answer. */
export const MAX_TOKENS = 64;

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface TestPrompt {
  /** Unique among the prompts of a model. */
  readonly name: string;
  /** Messages for the model's chat template, or text to continue as it is. */
  readonly input: readonly ChatMessage[] | string;
  readonly sampling: SampleParameters;
}

const GREEDY: SampleParameters = { temperature: 0, topK: 0, topP: 1, seed: 0 };

/** For SmolLM2-135M-Instruct. */
export const CHAT_PROMPTS: readonly TestPrompt[] = [
  ask("capital", "What is the capital of France?"),
  ask("arithmetic", "What is 17 + 25?"),
  ask("list", "List three fruits that are red."),
  ask("explanation", "Explain why the sky is blue to a child of six."),
  ask("translation", "Translate 'good morning, my friend' into Spanish."),
  ask("code", "Write a Python function that returns the factorial of n."),
  ask("poem", "Write a poem of four lines about the sea in winter."),
  ask("greeting", "Hi"),
  ask("french", "Quelle est la plus grande ville d'Italie ?"),
  ask("accents and emoji", "What does 'naïve café' mean? 🙂"),
  ask("numbers", "Continue the sequence: 2, 4, 8, 16, 32,"),
  ask(
    "summary",
    "Sum up in one sentence: The old bridge was closed in 1987 after a flood, and was only rebuilt when the town found the money twenty years later.",
  ),
  ask("repetition", "Repeat the word 'tree' ten times."),
  ask("letter", "Write a short letter to my landlord about a broken window."),
  ask("json", 'Give me a JSON object with the keys "name" and "age" for a person called Ada.'),
  ask("opinion", "Which is better for a small flat, a cat or a dog?"),
  ask("whitespace", "Fix   the  spacing\n\n\tof this   sentence ."),
  {
    name: "system message",
    input: [
      { role: "system", content: "You are a pirate. Answer in one sentence." },
      { role: "user", content: "How do I boil an egg?" },
    ],
    sampling: GREEDY,
  },
  {
    name: "three turns",
    input: [
      { role: "user", content: "My name is Nora." },
      { role: "assistant", content: "Nice to meet you, Nora!" },
      { role: "user", content: "What is my name?" },
    ],
    sampling: GREEDY,
  },
  {
    name: "long prompt",
    input: [{
      role: "user",
      content: "Here is a story. " + "Tom walked to the market and bought an apple and a pear. " +
        "On the way home he met his sister Mia, who was hungry, and gave her the apple. " +
        "Then it began to rain, so they ran under a tree and ate what they had. " +
        "When the rain stopped, they went home together and told their mother everything. " +
        "Who ate the apple?",
    }],
    sampling: GREEDY,
  },
  ask("warm capital", "What is the capital of France?", {
    temperature: 0.7,
    topK: 0,
    topP: 1,
    seed: 42,
  }),
  ask("warm poem", "Write a poem of four lines about the sea in winter.", {
    temperature: 1,
    topK: 0,
    topP: 0.9,
    seed: 7,
  }),
  ask("warm explanation", "Explain why the sky is blue to a child of six.", {
    temperature: 0.8,
    topK: 40,
    topP: 0.95,
    seed: 1234,
  }),
  ask("warm list", "List three fruits that are red.", {
    temperature: 1.2,
    topK: 5,
    topP: 1,
    seed: 2 ** 40 + 1,
  }),
  ask("hot letter", "Write a short letter to my landlord about a broken window.", {
    temperature: 1.5,
    topK: 0,
    topP: 0.8,
    seed: -3,
  }),
];

/** For stories15M: openings that it continues. */
export const STORY_PROMPTS: readonly TestPrompt[] = [
  open("once", "Once upon a time"),
  open("garden", "Lily and Ben were playing in the garden when they saw a big red ball."),
  open("dog", "One day, a little dog named Max found a bone under the old tree. He wanted to"),
  open("rain", "It was raining. Tim was sad because he could not go outside."),
  open("speech", '"Can I have a cookie, please?" asked Anna. Her mom smiled and said,'),
  open("bear", "There was a bear who lived in a cave near the river. Every morning the bear"),
  open("boat", "The little boat was very proud."),
  open("moon", "At night, the moon looked down at the quiet village and"),
  open("cake", "Mia and her grandma made a cake. They put sugar, milk and three eggs in a bowl."),
  open("accents", "Zoë the café cat could not sleep…"),
  open("warm once", "Once upon a time", { temperature: 1, topK: 0, topP: 0.95, seed: 11 }),
  open("warm bear", "There was a bear who", { temperature: 0.8, topK: 50, topP: 1, seed: 12 }),
];

function ask(name: string, content: string, sampling = GREEDY): TestPrompt {
  return { name, input: [{ role: "user", content }], sampling };
}

function open(name: string, text: string, sampling = GREEDY): TestPrompt {
  return { name, input: text, sampling };
}
