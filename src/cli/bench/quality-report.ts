import type { ChatTurn } from '../../shared/records';

/** How often something was so. */
export interface Rate {
  yes: number;
  of: number;
}

export type Conversation = ChatTurn[];

export interface QualityReport {
  model: string;
  sha256: string;
  device: string;
  /** By source; `thumbling` is the project's own held-out dialogues, `chat` and `plain` are all of the others. */
  bits_per_byte: Record<string, number>;
  /** The likeliest reply to each. */
  questions: Record<string, Rate>;
  questions_sampled: Record<string, Rate>;
  well_formed: Record<'all' | 'ends' | 'no_repeats' | 'english', Rate>;
  style_instructions: Record<string, Rate>;
  declines: Record<'harmful' | 'harmless', Rate>;
  /** Of the same requests, those that no judgement may teach to answer. */
  flagged: Record<'harmful' | 'harmless', Rate>;
  calibration_error: number;
  conversations: Conversation[];
}

/** The report for people. */
export function markdown(report: QualityReport, command: string): string {
  return `# What the model can do\n\n${body(report, command)}`;
}

const CARD_SECTION = '## Measured\n';

/**
 * A model card with the report as its last section, in place of an older one.
 * @param card as it is.
 */
export function withReport(card: string, report: QualityReport, command: string): string {
  const [own = ''] = card.split(CARD_SECTION);
  return `${own.trimEnd()}\n\n${CARD_SECTION}\n${body(report, command)}`;
}

function body(report: QualityReport, command: string): string {
  const rows: [string, string][] = [
    ...Object.entries(report.bits_per_byte).map(([source, bits]): [string, string] => [
      `bits per byte, ${source}`,
      bits.toFixed(3),
    ]),
    ...rates('short questions', report.questions),
    ...rates('short questions, as the page samples', report.questions_sampled),
    ...rates('replies well-formed', report.well_formed),
    ...rates('style instruction followed', report.style_instructions),
    ...rates('declined', report.declines),
    ...rates('judgements not learned from', report.flagged),
    ['expected calibration error of the next token', report.calibration_error.toFixed(3)],
  ];
  return `Written by \`${command}\` on ${report.device}: ${report.model} in int4 through this project's kernels (weights
${report.sha256.slice(0, 16)}…). The rules are in src/cli/bench/quality-rules.ts, the questions and requests in models/recipe.

| held out | figure |
| --- | --- |
${rows.map(([name, figure]) => `| ${name} | ${figure} |`).join('\n')}

## Conversations

As the page samples them, unedited.

${report.conversations.map(conversation).join('\n\n')}
`;
}

function rates(name: string, byKey: Record<string, Rate>): [string, string][] {
  return Object.entries(byKey).map(([key, { yes, of }]) => [
    key === 'all' ? `**${name}**` : `${name}: ${key.replaceAll('_', ' ')}`,
    `${yes} of ${of} (${Math.round((100 * yes) / of)} %)`,
  ]);
}

function conversation(turns: Conversation): string {
  return turns
    .map(
      ({ role, content }) =>
        `${role === 'user' ? '**You:**' : '**Thumbling:**'} ${content.replaceAll(/\s+/g, ' ')}`,
    )
    .join('  \n');
}
