// attention.wgsl for the single query of decoding: a workgroup a head, its threads share the keys of a chunk and then
// the columns of the output. out[H·HD]. Overwrites.
@group(0) @binding(0) var<storage, read> q: array<vec4<Activation>>;
@group(0) @binding(1) var<storage, read> keys: array<vec4<Activation>>;
@group(0) @binding(2) var<storage, read> values: array<Activation>;
@group(0) @binding(3) var<storage, read> tokens: array<Token>;
@group(0) @binding(4) var<storage, read_write> out: array<Activation>;

const QUADS = HEAD_DIM / 4u;
const THREADS = 64u;
const COLUMNS = (HEAD_DIM + THREADS - 1u) / THREADS;

var<workgroup> scores: array<f32, THREADS>;
var<workgroup> row_count: u32;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let head = workgroup.x;
  let kv_head = head / (HEADS / KV_HEADS);
  // The loop below has barriers: its bound must be uniform, which a storage value is not to the compiler.
  if (thread == 0u) {
    row_count = tokens[0].row + 1u;
  }
  let count = workgroupUniformLoad(&row_count);
  var maximum = -1e30;
  var normalizer = 0.0;
  var sum: array<f32, COLUMNS>;
  for (var start = 0u; start < count; start += THREADS) {
    let j = start + thread;
    var score = -1e30;
    if (j < count) {
      let row = (kv_head * CAPACITY + j) * QUADS;
      score = 0.0;
      for (var i = 0u; i < QUADS; i++) {
        score += dot(vec4<f32>(q[head * QUADS + i]), vec4<f32>(keys[row + i]));
      }
      score *= inverseSqrt(f32(HEAD_DIM));
    }
    scores[thread] = score;
    workgroupBarrier();
    let size = min(THREADS, count - start);
    var higher = maximum;
    for (var i = 0u; i < size; i++) {
      higher = max(higher, scores[i]);
    }
    let correction = exp(maximum - higher);
    normalizer *= correction;
    for (var c = 0u; c < COLUMNS; c++) {
      sum[c] *= correction;
    }
    for (var i = 0u; i < size; i++) {
      let p = exp(scores[i] - higher);
      normalizer += p;
      let row = (kv_head * CAPACITY + start + i) * HEAD_DIM;
      for (var c = 0u; c < COLUMNS; c++) {
        let column = thread + c * THREADS;
        if (column < HEAD_DIM) {
          sum[c] += p * f32(values[row + column]);
        }
      }
    }
    maximum = higher;
    workgroupBarrier();
  }
  for (var c = 0u; c < COLUMNS; c++) {
    let column = thread + c * THREADS;
    if (column < HEAD_DIM) {
      out[head * HEAD_DIM + column] = Activation(sum[c] / normalizer);
    }
  }
}
