// The sampler of the live demo: helpers/schedule.py, denoisers.py, sampling.py, illusions.py and editing.py once more,
// name by name, as far as the page needs them. The same seed gives the same image as there.
//
// An image is a Float32Array of C·H·W numbers in [-1, 1], and its shape is [C, H, W]. A Denoiser is an object
// { schedule, imageShape, predict, unconditional }: `await predict(images, t, conds)` returns the predicted noise eps of
// each image under its own condition, in ONE call of the network; `unconditional(cond)` is the condition's unconditional
// counterpart. tests/test_web_sampling.py compares all of it with Python.

// ---- noise, as torch.Generator and torch.randn draw it ----------------------------------------------------------------

/** PyTorch's CPU generator, a Mersenne Twister (MT19937; Matsumoto & Nishimura 1998). */
export class Generator {
  constructor(seed) {
    this.state = new Uint32Array(624);
    this.state[0] = seed;
    for (let i = 1; i < 624; i++) {
      const previous = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, previous) + i;
    }
    this.next = 624;
  }

  /** 32 random bits. */
  random() {
    const state = this.state;
    if (this.next === 624) {
      for (let i = 0; i < 624; i++) {
        const bits = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
      }
      this.next = 0;
    }
    let y = state[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
}

/** Standard normal noise, n numbers (a multiple of 16): the Box-Muller transform in torch.randn's order. */
export function drawNoise(n, generator) {
  const noise = new Float32Array(n);
  for (let i = 0; i < n; i++) noise[i] = (generator.random() & 0xffffff) / 2 ** 24; // uniform in [0, 1)
  for (let start = 0; start < n; start += 16) {
    for (let i = start; i < start + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - noise[i]));
      const angle = 2 * Math.PI * noise[i + 8];
      noise[i] = radius * Math.cos(angle);
      noise[i + 8] = radius * Math.sin(angle);
    }
  }
  return noise;
}

// ---- the schedule -----------------------------------------------------------------------------------------------------

/** `steps` timesteps from the noisy end down to 0: 990, 900, …, 0 for 12 of 1000. */
export function stridedTimesteps(steps, T) {
  let first = Math.floor((T - 1) / (steps - 1)) * (steps - 1);
  if (first < 0.98 * T) first = T - 1;
  return Array.from({ length: steps }, (_, i) => Math.floor((first * (steps - 1 - i)) / (steps - 1)));
}

// ---- the forward process, and one step back ---------------------------------------------------------------------------

/** x_t = √abar_t x0 + √(1 - abar_t) eps, with fresh noise. */
export function forward(x0, t, schedule, generator) {
  const abar = schedule.alphasCumprod[t];
  const eps = drawNoise(x0.length, generator);
  return x0.map((x, i) => Math.sqrt(abar) * x + Math.sqrt(1 - abar) * eps[i]);
}

/** x0_hat = (x_t - √(1 - abar_t) eps) / √abar_t. */
export function estimateX0(x_t, t, eps, schedule) {
  const abar = schedule.alphasCumprod[t];
  return x_t.map((x, i) => (x - Math.sqrt(1 - abar) * eps[i]) / Math.sqrt(abar));
}

/** One DDIM step with eta = 0 from t to s: x0_hat, noised to s with the noise that x_t implies. Source: 2010.02502. */
export function ddimStep(x_t, x0Hat, t, s, schedule) {
  if (s === null) return x0Hat;
  const [abar_t, abar_s] = [schedule.alphasCumprod[t], schedule.alphasCumprod[s]];
  return x_t.map((x, i) => {
    const eps = (x - Math.sqrt(abar_t) * x0Hat[i]) / Math.sqrt(1 - abar_t);
    return Math.sqrt(abar_s) * x0Hat[i] + Math.sqrt(1 - abar_s) * eps;
  });
}

/** The `ratio` quantile of |x0_hat|, limited to 1 … maximum, becomes the new 1. Source: Imagen, 2205.11487, 2.3. */
export function dynamicThreshold(x0Hat, ratio = 0.95, maximum = 1.5) {
  const sorted = x0Hat.map(Math.abs).sort();
  const place = ratio * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  const quantile = below + (place - Math.floor(place)) * (above - below);
  const bound = Math.min(Math.max(quantile, 1), maximum);
  return x0Hat.map((x) => Math.min(Math.max(x, -bound), bound) / bound);
}

// ---- the loop ---------------------------------------------------------------------------------------------------------

/**
 * Denoise x_t from timesteps[0] on; yields each step { t, s, x_t, x0Hat, x_s }, the last with s = null.
 * `constrain(x_s, s)` is run after every step.
 */
export async function* denoise(denoiser, x_t, timesteps, cond, { constrain = (x_s) => x_s } = {}) {
  const { schedule } = denoiser;
  for (const [i, t] of timesteps.entries()) {
    const s = timesteps[i + 1] ?? null;
    const [eps] = await denoiser.predict([x_t], t, [cond]);
    if (!eps.every(Number.isFinite)) {
      throw new Error(`The noise predicted at t = ${t} is not finite; wanted numbers. Try a smaller γ.`);
    }
    const x0Hat = dynamicThreshold(estimateX0(x_t, t, eps, schedule));
    const x_s = constrain(ddimStep(x_t, x0Hat, t, s, schedule), s);
    yield { t, s, x_t, x0Hat, x_s };
    x_t = x_s;
  }
}

/** Start from pure noise and denoise it. */
export function sample(denoiser, cond, { timesteps, generator }) {
  const [C, H, W] = denoiser.imageShape;
  return denoise(denoiser, drawNoise(C * H * W, generator), timesteps, cond);
}

// ---- guidance ---------------------------------------------------------------------------------------------------------

/** Classifier-free guidance: eps = eps_u + gamma (eps_c - eps_u). Source: 2207.12598, equation 6. */
export function guided(denoiser, gamma) {
  async function predict(images, t, conds) {
    const n = images.length;
    const both = [...conds.map(denoiser.unconditional), ...conds];
    const eps = await denoiser.predict([...images, ...images], t, both);
    return images.map((_, i) => eps[i].map((eps_u, j) => eps_u + gamma * (eps[n + i][j] - eps_u)));
  }
  return { ...denoiser, predict };
}

// ---- illusions --------------------------------------------------------------------------------------------------------

/** Each pixel (y, x) of a square image (C, H, H) from the pixel `from(y, x, H)`. */
function moved(image, [C, H, W], from) {
  return image.map((_, i) => {
    const [c, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
    const [y0, x0] = from(y, x, H);
    return image[c * H * W + y0 * W + x0];
  });
}

const same = (y, x) => [y, x];
const upsideDown = (y, x, H) => [H - 1 - y, x];
const turnedLeft = (y, x, H) => [x, H - 1 - y];
const turnedRight = (y, x, H) => [H - 1 - x, y];
const turnedTwice = (y, x, H) => [H - 1 - y, H - 1 - x];

/** Transformations of images and their inverses, by the names of helpers/illusions.py. */
export const views = {
  identity: { view: same, inverseView: same },
  flip: { view: upsideDown, inverseView: upsideDown },
  rotate_90: { view: turnedLeft, inverseView: turnedRight }, // counter-clockwise
  rotate_180: { view: turnedTwice, inverseView: turnedTwice },
};

/** A Denoiser whose condition is a list of conditions of the inner one. */
function manyPrompts(denoiser, predict) {
  return { ...denoiser, predict, unconditional: (conds) => conds.map(denoiser.unconditional) };
}

/** eps = mean over views of view⁻¹(eps(view(x_t), cond_i)). Source: Visual Anagrams, 2311.17919, equation 3. */
export function anagram(denoiser, names) {
  const [n, shape] = [names.length, denoiser.imageShape];
  async function predict(images, t, conds) {
    const seen = names.flatMap((name) => images.map((image) => moved(image, shape, views[name].view)));
    const eps = await denoiser.predict(seen, t, names.flatMap((_, k) => conds.map((cond) => cond[k])));
    return images.map((image, i) => {
      const back = names.map((name, k) => moved(eps[k * images.length + i], shape, views[name].inverseView));
      return image.map((_, j) => back.reduce((sum, each) => sum + each[j], 0) / n);
    });
  }
  return manyPrompts(denoiser, predict);
}

/** A Gaussian blur of an image (C, H, W), reflected beyond its edges. */
export function blur(image, [C, H, W], kernelSize, sigma) {
  const middle = (kernelSize - 1) / 2;
  const bell = Array.from({ length: kernelSize }, (_, i) => Math.exp(-0.5 * ((i - middle) / sigma) ** 2));
  const total = bell.reduce((sum, weight) => sum + weight);
  const reflected = (i, size) => (i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i);
  const along = (source, stride, size) =>
    source.map((_, i) => {
      const place = Math.floor(i / stride) % size;
      const start = i - place * stride;
      let sum = 0;
      bell.forEach((weight, k) => (sum += weight * source[start + reflected(place + k - middle, size) * stride]));
      return sum / total;
    });
  return along(along(image, 1, W), W, H);
}

/** eps = lowpass(eps_far) + highpass(eps_near), cond is [far, near]. Source: Factorized Diffusion, 2404.11615, 3.2. */
export function hybrid(denoiser, kernelSize = 33, sigma = 2) {
  const lowPass = (image) => blur(image, denoiser.imageShape, kernelSize, sigma);
  async function predict(images, t, conds) {
    const each = [...conds.map(([far]) => far), ...conds.map(([, near]) => near)];
    const eps = await denoiser.predict([...images, ...images], t, each);
    return images.map((_, i) => {
      const [far, near] = [eps[i], eps[images.length + i]];
      const [low, lowOfNear] = [lowPass(far), lowPass(near)];
      return low.map((value, j) => value + near[j] - lowOfNear[j]);
    });
  }
  return manyPrompts(denoiser, predict);
}

// ---- editing ----------------------------------------------------------------------------------------------------------

/** Noise xOrig to timesteps[iStart] and denoise it from there. Source: SDEdit, 2108.01073, section 3. */
export function sdedit(denoiser, xOrig, cond, { timesteps, iStart, generator }) {
  const x_t = forward(xOrig, timesteps[iStart], denoiser.schedule, generator);
  return denoise(denoiser, x_t, timesteps.slice(iStart), cond);
}

/**
 * Repaint xOrig where mask (C·H·W, as the image) is 1: x_s ← m x_s + (1 - m) forward(xOrig, s), and xOrig itself at the
 * end. Source: RePaint, 2201.09865, equation 8 (its m is 1 where ours is 0).
 */
export function inpaint(denoiser, xOrig, mask, cond, { timesteps, generator }) {
  function constrain(x_s, s) {
    const known = s === null ? xOrig : forward(xOrig, s, denoiser.schedule, generator);
    return x_s.map((x, i) => (mask[i] ? x : known[i]));
  }
  return denoise(denoiser, drawNoise(xOrig.length, generator), timesteps, cond, { constrain });
}
