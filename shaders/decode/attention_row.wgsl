// The attention of one token: rope_append.wgsl and attention.wgsl for a single row. Rotates q and k of
// qkv[(H + 2·KV)·HD] by the token's position (Su et al. 2021, half-split form), appends k and v to the cache, attends to
// the rows before and its own: out[H·HD]; then the shares of the LoRA that reads it. A workgroup handles the GROUP heads of
// one key, lines with `$g` stand for one each; its threads share the keys of a chunk and then the columns of the output.
// Overwrites.
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> rotation: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> keys: array<Activation>;
@group(0) @binding(4) var<storage, read_write> values: array<Activation>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read> next_a: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read_write> shares: array<f32>;
@group(0) @binding(8) var<uniform> lora: Lora;

const HALF = HEAD_DIM / 2u;
const KEY = GROUP * HEAD_DIM;

var<workgroup> token: Token;
// The group's queries, then its key: rotated.
var<workgroup> query: array<f32, KEY + HEAD_DIM>;
// Of a chunk of keys, head by head; then their share of the sum.
var<workgroup> scores: array<f32, GROUP * THREADS>;

fn query_at(index: u32) -> f32 {
  return query[index];
}

fn scores_at(index: u32) -> f32 {
  return scores[index];
}

fn inner(a: Eight, b: Eight) -> f32 {
  return dot(a.low, b.low) + dot(a.high, b.high);
}

fn largest(values: Eight) -> f32 {
  let four = max(values.low, values.high);
  return max(max(four.x, four.y), max(four.z, four.w));
}

fn total(values: Eight) -> f32 {
  return dot(values.low + values.high, vec4<f32>(1.0));
}

// Eight numbers of a cached key.
fn load_key(row: u32, index: u32) -> Eight {
  let k = row * HEAD_DIM + index;
  return Eight(
    vec4<f32>(f32(keys[k]), f32(keys[k + 1u]), f32(keys[k + 2u]), f32(keys[k + 3u])),
    vec4<f32>(f32(keys[k + 4u]), f32(keys[k + 5u]), f32(keys[k + 6u]), f32(keys[k + 7u])),
  );
}

// One number of eight cached values, the last again where there are fewer.
fn load_values(row: u32, last: u32, column: u32) -> Eight {
  return Eight(
    vec4<f32>(
      value_at(min(row, last), column),
      value_at(min(row + 1u, last), column),
      value_at(min(row + 2u, last), column),
      value_at(min(row + 3u, last), column),
    ),
    vec4<f32>(
      value_at(min(row + 4u, last), column),
      value_at(min(row + 5u, last), column),
      value_at(min(row + 6u, last), column),
      value_at(min(row + 7u, last), column),
    ),
  );
}

fn value_at(row: u32, column: u32) -> f32 {
  return f32(values[row * HEAD_DIM + column]);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  let thread = local.x;
  let kv_head = workgroup.x;
  let cache = kv_head * CAPACITY;
  let factor = inverseSqrt(f32(HEAD_DIM));
  if (thread == 0u) {
    token = tokens[0];
  }
  // The loops below have barriers: their bounds must be uniform, which a storage value is not to the compiler.
  let own = workgroupUniformLoad(&token).row;
  for (var pair = thread; pair < (GROUP + 1u) * HALF; pair += THREADS) {
    let i = pair % HALF;
    let rotated = pair / HALF * HEAD_DIM + i;
    let source = select(kv_head * KEY + rotated, (HEADS + kv_head) * HEAD_DIM + i, rotated >= KEY);
    let r = rotation[token.position * HALF + i];
    let a = qkv[source];
    let b = qkv[source + HALF];
    query[rotated] = a * r.x - b * r.y;
    query[rotated + HALF] = b * r.x + a * r.y;
  }
  let column = min(thread, HEAD_DIM - 1u);
  let own_value = qkv[(HEADS + KV_HEADS + kv_head) * HEAD_DIM + column];
  workgroupBarrier();
  if (thread < HEAD_DIM) {
    keys[(cache + own) * HEAD_DIM + thread] = Activation(query[KEY + thread]);
    values[(cache + own) * HEAD_DIM + thread] = Activation(own_value);
  }
  // Online softmax (Milakov & Gimelshein 2018) that begins with the token's own row.
  var score_$g = 0.0;
  for (var i = 0u; i < opaque(HEAD_DIM); i += 8u) {
    let key = load_eight_query(KEY + i, lane.index);
    score_$g += inner(load_eight_query($gu * HEAD_DIM + i, lane.index), key);
  }
  var maximum_$g = score_$g * factor;
  var normalizer_$g = 1.0;
  var sum_$g = own_value;
  for (var start = cache; start < cache + own; start += THREADS) {
    let size = min(THREADS, cache + own - start);
    let last = start + size - 1u;
    let row = min(start + thread, last);
    score_$g = 0.0;
    for (var i = 0u; i < opaque(HEAD_DIM); i += 8u) {
      let key = load_key(row, i);
      score_$g += inner(load_eight_query($gu * HEAD_DIM + i, lane.index), key);
    }
    score_$g = select(-1e30, score_$g * factor, thread < size);
    scores[$gu * THREADS + thread] = score_$g;
    workgroupBarrier();
    var higher_$g = maximum_$g;
    for (var i = 0u; i < size; i += 8u) {
      higher_$g = max(higher_$g, largest(load_eight_scores($gu * THREADS + i, lane.index)));
    }
    workgroupBarrier();
    scores[$gu * THREADS + thread] = exp(score_$g - higher_$g);
    sum_$g *= exp(maximum_$g - higher_$g);
    normalizer_$g *= exp(maximum_$g - higher_$g);
    maximum_$g = higher_$g;
    workgroupBarrier();
    for (var i = 0u; i < size; i += 8u) {
      let eight = load_values(start + i, last, column);
      let p_$g = load_eight_scores($gu * THREADS + i, lane.index);
      normalizer_$g += total(p_$g);
      sum_$g += inner(p_$g, eight);
    }
    workgroupBarrier();
  }
  if (thread < HEAD_DIM) {
    block[$gu * HEAD_DIM + thread] = sum_$g / normalizer_$g;
  }
  workgroupBarrier();
  for (var i = thread; i < KEY; i += THREADS) {
    out[kv_head * KEY + i] = block[i];
  }
  write_shares(kv_head, thread, lane.index);
}
