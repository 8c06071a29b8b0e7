// A product of one row with what stands around it: y[OUT] = f(W·x̂ + s·B·A·x̂). x̂ is x, with NORM rms_norm(x) (Zhang &
// Sennrich 2019): the norm's factor is the same for all columns and is multiplied in at the end. A·x̂ comes as shares
// (lora_shares.wgsl). f adds y to it (ADD), or with SWIGLU (Shazeer 2020) is silu of the first OUT rows of W times the
// last. Then the shares of the LoRA that reads y (NEXT). SPLIT threads compute 4 columns, each from its groups of x.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> lora_b: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
// Of x with NORM, of y with NEXT_NORM; no product has both.
@group(0) @binding(5) var<storage, read> norm: array<f32>;
@group(0) @binding(6) var<storage, read> next_a: array<vec4<u32>>;
// Read from SHARES on, [SHARE_COUNT, INNER (+ 1)].
@group(0) @binding(7) var<storage, read_write> shares: array<f32>;
@group(0) @binding(8) var<uniform> lora: Lora;

const WORDS = IN / 8u;
const GROUPS = IN / 32u;
const INNER = PARTS * RANK;
const WIDTH = INNER + u32(NORM);
// To divide by, where there is nothing to add up.
const AT_LEAST_ONE = max(1u, WIDTH);
// Threads that add up the shares of one inner product.
const SLOTS = select(1u, max(1u, THREADS / AT_LEAST_ONE), SPLIT > 1u);

var<workgroup> inner: array<f32, SLOTS * WIDTH + 1u>;
// A thread's part of the sums of its columns, those of `up` behind.
var<workgroup> partial: array<vec4<f32>, select(1u, 2u * THREADS, SPLIT > 1u)>;

fn x_at(index: u32) -> f32 {
  if (NORM) {
    return x[index] * norm[index];
  }
  return x[index];
}

fn next_norm(column: u32) -> vec4<f32> {
  if (NEXT_NORM) {
    return vec4<f32>(norm[column], norm[column + 1u], norm[column + 2u], norm[column + 3u]);
  }
  return vec4<f32>(1.0);
}

// s·B·A·x̂ of four neighbouring columns; B is in halves.
fn lora_part(column: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  if (LORA && lora.scale != 0.0) {
    let first = lora_inner(0u, column);
    for (var rank = 0u; rank < RANK; rank += 2u) {
      let b = (column * RANK + rank) / 2u;
      let pair = vec2<f32>(inner[first + rank], inner[first + rank + 1u]);
      sum += vec4<f32>(
        dot(unpack2x16float(lora_b[b]), pair),
        dot(unpack2x16float(lora_b[b + RANK / 2u]), pair),
        dot(unpack2x16float(lora_b[b + RANK]), pair),
        dot(unpack2x16float(lora_b[b + 3u * RANK / 2u]), pair),
      );
    }
  }
  return lora.scale * sum;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  let thread = local.x;
  for (var i = thread; i < SLOTS * WIDTH; i += THREADS) {
    var sum = 0.0;
    for (var share = i / AT_LEAST_ONE; share < SHARE_COUNT; share += SLOTS) {
      sum += shares[SHARES + share * WIDTH + i % AT_LEAST_ONE];
    }
    inner[i] = sum;
  }
  workgroupBarrier();
  // No early return: every lane takes part in loads that are shared.
  var column = workgroup.x * BLOCK + thread / SPLIT * 4u;
  let w = min(column, OUT - 4u) * WORDS;
  let s = min(column, OUT - 4u) * GROUPS;
  var result = vec4<f32>();
  var up = vec4<f32>();
  for (var group = first_of(thread, SPLIT); group < opaque(GROUPS); group += SPLIT) {
    let first_scales = int4_scales(s + group, GROUPS);
    var second_scales = vec4<f32>();
    if (SWIGLU) {
      second_scales = int4_scales(s + OUT * GROUPS + group, GROUPS);
    }
    for (var word = group * 4u; word < group * 4u + 4u; word++) {
      let values = load_eight_x(word * 8u, lane.index);
      let first = int4_block(w + word, WORDS, first_scales);
      result += values.low * first.low + values.high * first.high;
      if (SWIGLU) {
        let second = int4_block(w + OUT * WORDS + word, WORDS, second_scales);
        up += values.low * second.low + values.high * second.high;
      }
    }
  }
  if (SPLIT > 1u) {
    for (var i = thread; i < WIDTH; i += THREADS) {
      for (var slot = 1u; slot < SLOTS; slot++) {
        inner[i] += inner[slot * WIDTH + i];
      }
    }
    partial[thread] = result;
    partial[THREADS + thread] = up;
    workgroupBarrier();
    column = workgroup.x * BLOCK + thread * 4u;
    result = vec4<f32>();
    up = vec4<f32>();
    if (thread < BLOCK / 4u) {
      for (var part = thread * SPLIT; part < (thread + 1u) * SPLIT; part++) {
        result += partial[part];
        up += partial[THREADS + part];
      }
    }
  }
  let inside = column < OUT && thread < BLOCK / 4u;
  result += lora_part(column);
  var factor = 1.0;
  if (NORM) {
    factor = inverseSqrt(inner[INNER] / f32(IN) + eps);
  }
  result *= factor;
  if (SWIGLU) {
    up = (up + lora_part(OUT + column)) * factor;
    result = result / (1.0 + exp(-result)) * up;
  }
  if (inside) {
    if (ADD) {
      result += y[column / 4u];
    }
    y[column / 4u] = result;
  }
  if (NEXT) {
    share_quad(workgroup.x, thread, lane.index, select(vec4<f32>(), result, inside), next_norm(column));
  }
}
