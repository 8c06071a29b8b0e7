// Log-probability of each target's token, logprobs[start + r], and its gradient written over the logits[count, VOCAB]:
// onehot − softmax, the coefficient 1; the loss scales it later, when the margin is known. A workgroup a row.
@group(0) @binding(0) var<storage, read> targets: array<Target>;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> logprobs: array<f32>;
@group(0) @binding(3) var<uniform> chunk: Chunk;

var<workgroup> partial_maxima: array<f32, ROW_THREADS>;

@compute @workgroup_size(ROW_THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let start = workgroup.x * VOCAB;
  let goal = targets[chunk.start + workgroup.x].token;
  var maximum = -1e30;
  for (var i = thread; i < VOCAB; i += ROW_THREADS) {
    maximum = max(maximum, logits[start + i]);
  }
  partial_maxima[thread] = maximum;
  workgroupBarrier();
  for (var i = 0u; i < ROW_THREADS; i++) {
    maximum = max(maximum, partial_maxima[i]);
  }
  var sum = 0.0;
  for (var i = thread; i < VOCAB; i += ROW_THREADS) {
    sum += exp(logits[start + i] - maximum);
  }
  let lse = maximum + log(workgroup_sum(sum, thread));
  if (thread == goal % ROW_THREADS) {
    logprobs[chunk.start + workgroup.x] = logits[start + goal] - lse;
  }
  if (!GRADIENT) {
    return;
  }
  for (var i = thread; i < VOCAB; i += ROW_THREADS) {
    logits[start + i] = select(0.0, 1.0, i == goal) - exp(logits[start + i] - lse);
  }
}
