// Values that all lanes want alike: each lane loads one of eight (LANES = 8) or two (LANES = 4) and the subgroup shares
// them. Subgroups are at least LANES wide. Software rasterizers turn a vec4 load into four gathers, which made this
// three times faster there.
enable subgroups;

struct Lane {
  @builtin(subgroup_invocation_id) index: u32,
}

// Lanes that share their loads walk together.
fn first_of(thread: u32, stride: u32) -> u32 {
  return 0u;
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

fn share_eight(value: f32) -> Eight {
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
