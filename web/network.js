// Stage I and the text encoder as ONNX Runtime runs them. `ort` is onnxruntime-web, or a package with its interface.

import { encode } from "./tokenizer.js";

/** Stage I as a Denoiser of sampling.js. A condition is a Float32Array of tokens·width text states. */
export function textDenoiser(ort, session, { alphasCumprod, imageShape, textShape, empty }) {
  async function predict(images, t, conds) {
    const B = images.length;
    const feeds = {
      x_t: new ort.Tensor("float32", joined(images), [B, ...imageShape]),
      t: new ort.Tensor("int64", BigInt64Array.of(BigInt(t)), [1]),
      text: new ort.Tensor("float32", joined(conds), [B, ...textShape]),
    };
    const { eps } = await session.run(feeds);
    const size = images[0].length;
    return images.map((_, i) => eps.data.slice(i * size, (i + 1) * size));
  }
  return { schedule: { alphasCumprod }, imageShape, predict, unconditional: () => empty };
}

/** The text states (tokens·width) of a prompt, by the text encoder. Throws an Error for a prompt that is too long. */
export async function encodePrompt(ort, session, vocabulary, prompt, tokens) {
  const found = encode(prompt, vocabulary);
  if (found.length > tokens) {
    throw new Error(`The prompt has ${found.length} tokens; wanted at most ${tokens}. Use fewer words.`);
  }
  const padded = (values) => BigInt64Array.from({ length: tokens }, (_, i) => BigInt(values[i] ?? 0));
  const feeds = {
    tokens: new ort.Tensor("int64", padded(found), [1, tokens]),
    mask: new ort.Tensor("int64", padded(found.map(() => 1)), [1, tokens]),
  };
  return (await session.run(feeds)).states.data;
}

/** Numbers from half precision (IEEE 754 binary16), in which text states are stored. */
export function fromHalf(halves) {
  return Float32Array.from(halves, (half) => {
    const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
  });
}

function joined(arrays) {
  const all = new Float32Array(arrays.length * arrays[0].length);
  arrays.forEach((array, i) => all.set(array, i * array.length));
  return all;
}
