// Splits QKV[T, (H + 2·KV)·HD], rotates q and k by their position (Su et al. 2021, half-split form) and appends k, v to
// the cache: keys, values [KV][CAPACITY][HD] at the token's row; q: [T, H·HD]. rotation: (cos, sin) [positions, HD / 2].
// A thread rotates one pair. Overwrites.
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> tokens: array<Token>;
@group(0) @binding(2) var<storage, read> rotation: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> q: array<Activation>;
@group(0) @binding(4) var<storage, read_write> keys: array<Activation>;
@group(0) @binding(5) var<storage, read_write> values: array<Activation>;
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
  let source = (t * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM + i;
  let a = qkv[source];
  let b = qkv[source + HALF];
  if (head >= HEADS + KV_HEADS) {
    let to = ((head - HEADS - KV_HEADS) * CAPACITY + token.row) * HEAD_DIM + i;
    values[to] = Activation(a);
    values[to + HALF] = Activation(b);
    return;
  }
  let r = rotation[token.position * HALF + i];
  let first = a * r.x - b * r.y;
  let second = b * r.x + a * r.y;
  if (head >= HEADS) {
    let to = ((head - HEADS) * CAPACITY + token.row) * HEAD_DIM + i;
    keys[to] = Activation(first);
    keys[to + HALF] = Activation(second);
  } else {
    let to = (t * HEADS + head) * HEAD_DIM + i;
    q[to] = Activation(first);
    q[to + HALF] = Activation(second);
  }
}
