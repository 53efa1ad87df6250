// The worker of the page "Try it": it fetches the model and computes, so that the page stays responsive.
//
// Messages in:  { run } starts a run, of which the newest counts, and { stop } ends it.
// Messages out: { loading, of } bytes; { ready }; { encoding, of }; { id, step, of }; { id, seconds }, { id, stopped },
//               and { id, error }, a sentence.

import { encodePrompt, fromHalf, textDenoiser } from "./network.js";
import * as ort from "./ort.wasm.bundle.min.mjs";
import { anagram, Generator, guided, hybrid, inpaint, sample, sdedit, stridedTimesteps } from "./sampling.js";
import { readVocabulary } from "./tokenizer.js";

const RUNTIME = "ort-wasm-simd-threaded.wasm";

let facts; // facts.json, which ci/site/try_it.py writes
let newest = 0; // the id of the run that counts
const states = new Map(); // text states by prompt
let encoder; // a promise of it, once a prompt has needed it

/** A file's bytes; `progress(bytes)` is told how many more have come. */
async function fetched(name, progress = () => {}, signal) {
  const response = await fetch(new URL(name, import.meta.url), { signal });
  if (!response.ok) throw new Error(`${name} could not be loaded (the server says ${response.status}). Reload the page.`);
  const reader = response.body.getReader();
  const parts = [];
  for (let part; !(part = await reader.read()).done; ) {
    parts.push(part.value);
    progress(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Files by their names, fetched together; the page is told of the bytes as { [kind], of }. */
async function fetchedAll(kind, names) {
  const of = names.reduce((sum, name) => sum + facts.bytes[name], 0);
  let sofar = 0;
  const failed = new AbortController();
  const progress = (bytes) => failed.signal.aborted || postMessage({ [kind]: (sofar += bytes), of });
  try {
    return await Promise.all(names.map((name) => fetched(name, progress, failed.signal)));
  } catch (error) {
    failed.abort(); // otherwise the progress of the other files would overwrite the error's sentence
    throw error;
  }
}

const opened = (bytes) => ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });

/** The model, as a Denoiser. */
async function load() {
  facts = JSON.parse(new TextDecoder().decode(await fetched("facts.json")));
  const [runtime, network, stored] = await fetchedAll("loading", [RUNTIME, "stage-1.onnx", "text-states.bin"]);
  const [tokens, width] = facts.textShape;
  const numbers = fromHalf(new Uint16Array(stored.buffer));
  facts.prompts.forEach((prompt, i) => states.set(prompt, numbers.subarray(i * tokens * width, (i + 1) * tokens * width)));
  ort.env.wasm.numThreads = 1; // more would need headers that few servers send
  ort.env.wasm.wasmBinary = runtime.buffer;
  const denoiser = textDenoiser(ort, await opened(network), { ...facts, empty: states.get("") });
  postMessage({ ready: true });
  return denoiser;
}

const loading = load();
loading.catch((error) => postMessage({ error: sentence(error) }));

/** The text states of a prompt: stored ones, or the encoder's. */
async function embed(prompt) {
  if (!states.has(prompt)) {
    encoder ??= fetchedAll("encoding", ["encoder.onnx", "vocab.txt"]).then(async ([network, words]) => ({
      session: await opened(network),
      vocabulary: readVocabulary(new TextDecoder().decode(words)),
    }));
    encoder.catch(() => (encoder = undefined)); // the next prompt tries again
    const { session, vocabulary } = await encoder;
    states.set(prompt, await encodePrompt(ort, session, vocabulary, prompt, facts.textShape[0]));
  }
  return states.get(prompt);
}

/** The steps of a run, as steps_of in ci/site/try_it.py has them in Python. */
function stepsOf(stage1, { mode, gamma, steps, seed, view, iStart, xOrig, mask }, conds) {
  const timesteps = stridedTimesteps(steps, stage1.schedule.alphasCumprod.length);
  const options = { timesteps, iStart, generator: new Generator(seed) };
  if (mode === "sketch") return sdedit(guided(stage1, gamma), xOrig, conds[0], options);
  if (mode === "repaint") return inpaint(guided(stage1, gamma), xOrig, mask, conds[0], options);
  if (mode === "draw") return sample(guided(stage1, gamma), conds[0], options);
  const illusion = mode === "anagram" ? anagram(stage1, ["identity", view]) : hybrid(stage1);
  return sample(guided(illusion, gamma), conds, options);
}

async function run(id, given) {
  const denoiser = await loading;
  const conds = [];
  for (const prompt of given.prompts) conds.push(await embed(prompt));
  const start = performance.now();
  const count = given.steps - (given.mode === "sketch" ? given.iStart : 0);
  let i = 0;
  for await (const step of stepsOf(denoiser, given, conds)) {
    await new Promise((resolve) => setTimeout(resolve)); // messages come in between
    if (id !== newest) return postMessage({ id, stopped: true });
    // the last x_s is the result: x0_hat, and in the kept part of an inpainting the original
    const estimate = step.s === null ? step.x_s : step.x0Hat;
    postMessage({ id, step: { t: step.t, x_t: step.x_t, x0Hat: estimate }, i: i++, of: count });
  }
  postMessage({ id, seconds: (performance.now() - start) / 1000, of: count });
}

function sentence(error) {
  if (error instanceof RangeError || /memory|allocat/i.test(error.message)) {
    return "The browser has not enough memory for the model. Close other tabs, and reload the page.";
  }
  if (error instanceof TypeError && /fetch|network/i.test(error.message)) {
    return "The model could not be loaded: the connection was lost. Reload the page.";
  }
  return error.message;
}

onmessage = ({ data }) => {
  newest = data.stop ? 0 : data.run.id;
  if (data.run) run(newest, data.run).catch((error) => postMessage({ id: data.run.id, error: sentence(error) }));
};
