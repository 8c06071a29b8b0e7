import { expect, it } from 'vitest';
import { markdown, type QualityReport, withReport } from '../../../src/cli/bench/quality-report';

const half = { yes: 1, of: 2 };
const REPORT: QualityReport = {
  model: 'models/thumbling',
  sha256: '0123456789abcdef0123',
  device: 'a device',
  bits_per_byte: { thumbling: 1.5, chat: 1.75 },
  questions: { all: { yes: 3, of: 4 }, nature: half },
  questions_sampled: { all: { yes: 1, of: 4 } },
  well_formed: { all: half, ends: half, no_repeats: half, english: half },
  style_instructions: { all: half, list: half },
  declines: { harmful: half, harmless: half },
  flagged: { harmful: half, harmless: half },
  calibration_error: 0.0417,
  conversations: [
    [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello.\n\nHow are you?' },
    ],
  ],
};

it('tells every figure, and the conversations as they were', () => {
  const text = markdown(REPORT, 'npm run bench -- quality');
  expect(text).toContain('| bits per byte, chat | 1.750 |');
  expect(text).toContain('| **short questions** | 3 of 4 (75 %) |');
  expect(text).toContain('| **short questions, as the page samples** | 1 of 4 (25 %) |');
  expect(text).toContain('| replies well-formed: no repeats | 1 of 2 (50 %) |');
  expect(text).toContain('| expected calibration error of the next token | 0.042 |');
  expect(text).toContain('**You:** Hi  \n**Thumbling:** Hello. How are you?');
});

it('stands at the end of a model card, in place of what was measured before', () => {
  const card = '# Thumbling\n\n## Limits\n\nMany.\n';
  const once = withReport(card, { ...REPORT, calibration_error: 0.5 }, 'a');
  expect(once).toContain('Many.\n\n## Measured\n\nWritten by `a`');
  const twice = withReport(once, REPORT, 'b');
  expect(twice).toBe(withReport(card, REPORT, 'b'));
  expect(twice).not.toContain('0.500');
});
