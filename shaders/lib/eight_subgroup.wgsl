// Eight consecutive values of `operand`, which the including kernel declares, the same for all lanes: each lane loads
// one (LANES = 8) or two (LANES = 4) and the subgroup shares them. Subgroups are at least LANES wide. Software
// rasterizers turn a vec4 load into four gathers, which made this three times faster there.
enable subgroups;

struct Lane {
  @builtin(subgroup_invocation_id) index: u32,
}

struct Eight {
  low: vec4<f32>,
  high: vec4<f32>,
}

fn share_four(value: f32) -> vec4<f32> {
  return vec4<f32>(
    subgroupBroadcast(value, 0u),
    subgroupBroadcast(value, 1u),
    subgroupBroadcast(value, 2u),
    subgroupBroadcast(value, 3u),
  );
}

fn load_eight(index: u32, lane: u32) -> Eight {
  if (LANES == 8u) {
    let value = operand(index + (lane & 7u));
    return Eight(
      share_four(value),
      vec4<f32>(
        subgroupBroadcast(value, 4u),
        subgroupBroadcast(value, 5u),
        subgroupBroadcast(value, 6u),
        subgroupBroadcast(value, 7u),
      ),
    );
  }
  return Eight(share_four(operand(index + (lane & 3u))), share_four(operand(index + 4u + (lane & 3u))));
}
