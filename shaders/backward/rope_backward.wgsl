// dQKV[T, (H + 2·KV)·HD] from dQ[T, H·HD] and dK, dV [KV][CAPACITY][HD]: the inverse rotation of rope_append.wgsl.
// A thread handles one pair. Overwrites.
@group(0) @binding(0) var<storage, read> dq: array<f32>;
@group(0) @binding(1) var<storage, read> dk: array<f32>;
@group(0) @binding(2) var<storage, read> dv: array<f32>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read> rotation: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<f32>;
@group(0) @binding(6) var<uniform> batch: Batch;

const HALF = HEAD_DIM / 2u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x % HALF;
  let head = id.x / HALF;
  let t = id.y;
  if (head >= HEADS + 2u * KV_HEADS || t >= batch.tokens) {
    return;
  }
  let token = tokens[t];
  let to = (t * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM + i;
  if (head >= HEADS + KV_HEADS) {
    let source = ((head - HEADS - KV_HEADS) * CAPACITY + token.row) * HEAD_DIM + i;
    dqkv[to] = dv[source];
    dqkv[to + HALF] = dv[source + HALF];
    return;
  }
  var a: f32;
  var b: f32;
  if (head >= HEADS) {
    let source = ((head - HEADS) * CAPACITY + token.row) * HEAD_DIM + i;
    a = dk[source];
    b = dk[source + HALF];
  } else {
    let source = (t * HEADS + head) * HEAD_DIM + i;
    a = dq[source];
    b = dq[source + HALF];
  }
  let r = rotation[token.position * HALF + i];
  dqkv[to] = a * r.x + b * r.y;
  dqkv[to + HALF] = b * r.x - a * r.y;
}
