// Runs the functions of web/ for tests/test_web_sampling.py: cases come as JSON on standard input, results go out so.

import { readFileSync } from "node:fs";

import { fromHalf } from "../web/network.js";
import * as sampling from "../web/sampling.js";
import { encode, readVocabulary } from "../web/tokenizer.js";

const { toy, schedule, vocabulary, cases } = JSON.parse(readFileSync(0));
const floats = (numbers) => Float32Array.from(numbers);

/** Toy of tests/toys.py: eps = tanh(weight x_t + pattern cond + t / 1000), one number of cond for each channel. */
const denoiser = {
  schedule,
  imageShape: toy.shape,
  unconditional: (cond) => cond.map(() => 0),
  predict: async (images, t, conds) =>
    images.map((image, i) =>
      image.map((x, j) => {
        const channel = Math.floor(j / (toy.shape[1] * toy.shape[2]));
        return Math.tanh(toy.weight[j] * x + toy.pattern[j] * conds[i][channel] + t / 1000);
      }),
    ),
};

async function last(steps) {
  let step;
  for await (step of steps);
  return [...step.x_s];
}

const guided = (inner, gamma) => sampling.guided(inner, gamma);
const options = ({ timesteps, seed, iStart }) => ({ timesteps, iStart, generator: new sampling.Generator(seed) });
const known = readVocabulary(vocabulary);
const functions = {
  noise: ({ n, seed }) => [...sampling.drawNoise(n, new sampling.Generator(seed))],
  timesteps: ({ steps, T }) => sampling.stridedTimesteps(steps, T),
  forward: ({ x0, t, seed }) => [...sampling.forward(floats(x0), t, schedule, new sampling.Generator(seed))],
  estimateX0: ({ x_t, t, eps }) => [...sampling.estimateX0(floats(x_t), t, floats(eps), schedule)],
  ddimStep: ({ x_t, x0, t, s }) => [...sampling.ddimStep(floats(x_t), floats(x0), t, s, schedule)],
  dynamicThreshold: ({ x0 }) => [...sampling.dynamicThreshold(floats(x0))],
  blur: ({ x, kernelSize, sigma }) => [...sampling.blur(floats(x), toy.shape, kernelSize, sigma)],
  sample: (given) => last(sampling.sample(guided(denoiser, given.gamma), given.cond, options(given))),
  sdedit: (given) =>
    last(sampling.sdedit(guided(denoiser, given.gamma), floats(given.x0), given.cond, options(given))),
  inpaint: (given) =>
    last(
      sampling.inpaint(guided(denoiser, given.gamma), floats(given.x0), given.mask, given.cond, options(given)),
    ),
  anagram: (given) =>
    last(sampling.sample(guided(sampling.anagram(denoiser, given.views), given.gamma), given.cond, options(given))),
  hybrid: (given) =>
    last(sampling.sample(guided(sampling.hybrid(denoiser, 9, 2), given.gamma), given.cond, options(given))),
  tokens: ({ text }) => encode(text, known),
  fromHalf: ({ halves }) => [...fromHalf(halves)],
};

const results = [];
for (const { name, given } of cases) results.push(await functions[name](given));
process.stdout.write(JSON.stringify(results));
