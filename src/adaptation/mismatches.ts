import { readStoredAdapter } from '../formats/adapter';
import { type ReceiptFile, unknownFields } from '../formats/receipt-file';
import type { ModelRuntime } from '../model/runtime';
import { messageOf } from '../shared/errors';
import { type ModelTexts, textsSha256 } from './texts';

/** The model at hand, as far as a receipt has to match it. */
export type AtHand = Pick<ModelRuntime, 'sha256' | 'config'> & {
  layout: Pick<ModelRuntime['layout'], 'rank'>;
};

/**
 * Why an update cannot be repeated with the model at hand, every reason in one message; null where it can. What earlier
 * versions did not note in their receipts is taken to match.
 */
export async function mismatchOf(
  file: ReceiptFile,
  runtime: AtHand,
  texts: ModelTexts,
): Promise<string | null> {
  const { receipt } = file;
  const problems: string[] = [];
  if (receipt.model !== runtime.sha256) {
    problems.push(`it is of the base model ${short(receipt.model)}, this is ${short(runtime.sha256)}`);
  }
  const digest = await textsSha256(texts);
  if (receipt.textsSha256 !== undefined && receipt.textsSha256 !== digest) {
    problems.push(
      `the texts that were rehearsed and judged by were ${short(receipt.textsSha256)}, here they are ${short(digest)}`,
    );
  }
  const parent = parentProblem(file, runtime);
  if (parent !== undefined) problems.push(parent);
  const { rank = 0 } = receipt.hyperparameters;
  if (rank > runtime.layout.rank) {
    problems.push(`its adapter has rank ${rank}, the largest here is ${runtime.layout.rank}`);
  }
  const unknown = unknownFields(receipt);
  if (unknown.length > 0) problems.push(`this version does not know its ${unknown.join(', ')}`);
  if (problems.length === 0) return null;
  return `This receipt cannot be repeated here: ${problems.join('; ')}. Repeat it with the model, the texts and the version of Thumbprint that it is from.`;
}

/** What is wrong with the version that an update began with. */
function parentProblem({ receipt, parent }: ReceiptFile, runtime: AtHand): string | undefined {
  const { parentVersion, model } = receipt;
  if (parentVersion === 0) return parent ? 'it began with the base, but holds another version' : undefined;
  const name = `v${parentVersion}, which it began with,`;
  if (!parent) return `${name} is missing`;
  if (parent.model !== model) return `${name} is of the base model ${short(parent.model)}`;
  // Whether it fits can be told of its own model only.
  if (model !== runtime.sha256) return undefined;
  try {
    readStoredAdapter(parent, runtime.config, runtime.sha256);
    return undefined;
  } catch (error) {
    return `${name} cannot be used: ${messageOf(error).replace(/\.$/, '')}`;
  }
}

function short(digest: string): string {
  return digest.slice(0, 12);
}
