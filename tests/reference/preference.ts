import { logSigmoid, sigmoid } from './vector';

/** A reply's log-probabilities, natural, summed over its tokens, the end token included. */
export interface ReplyScore {
  /** Under the adapter that trains. */
  logprob: number;
  /** Under the base: a constant. */
  reference: number;
  tokens: number;
}

export type PreferenceExample =
  | { kind: 'pair'; weight: number; chosen: ReplyScore; rejected: ReplyScore }
  | { kind: 'up' | 'down' | 'sft'; weight: number; reply: ReplyScore };

export interface PreferenceSettings {
  /** Strength of the pull to the reference. */
  beta: number;
  /** Share ε of pairs that are assumed to be labelled the wrong way round, below 0.5. */
  label_smoothing: number;
  /** Weight of the mean negative log-likelihood of liked replies. */
  sft_weight: number;
  /** KTO's reference point. 0, with both λ at 1, is APO-zero unpaired (D'Oosterlinck et al. 2024). */
  z0: number;
  lambda_up: number;
  lambda_down: number;
}

export interface PreferenceLoss {
  /** Multiplied by the example's weight. */
  loss: number;
  /** Implicit reward margin, without the weight: m of a pair, r of a liked reply, −r of a disliked, 0 for SFT. */
  margin: number;
  /** Nats a token by which the liked reply of a pair or a thumb is likelier than its reference; 0 of others. */
  chosen: number;
  /** dloss/dlogprob of each reply: [chosen, rejected] or [reply]. */
  coefficients: number[];
}

/**
 * Loss of one example, r = β(logprob − reference):
 *
 * - pair, m = r_chosen − r_rejected: ((1−ε)(−log σ(m)) − ε(−log σ(−m)))/(1−2ε) (DPO, Rafailov et al. 2023; robust to
 *   flipped labels, Chowdhury et al. 2024) + sft_weight·(−logprob_chosen/tokens_chosen)
 * - up: λ_U(1 − σ(r − z0)) + sft_weight·(−logprob/tokens) (KTO, Ethayarajh et al. 2024)
 * - down: λ_D(1 − σ(z0 − r))
 * - sft: −logprob/tokens
 */
export function preferenceLoss(example: PreferenceExample, settings: PreferenceSettings): PreferenceLoss {
  const { weight } = example;
  const { loss, margin, coefficients } = unweightedLoss(example, settings);
  return {
    loss: weight * loss,
    margin,
    chosen: likelierBy(example),
    coefficients: coefficients.map((c) => weight * c),
  };
}

function likelierBy(example: PreferenceExample): number {
  if (example.kind !== 'pair' && example.kind !== 'up') return 0;
  const { logprob, reference, tokens } = example.kind === 'pair' ? example.chosen : example.reply;
  return (logprob - reference) / tokens;
}

function unweightedLoss(
  example: PreferenceExample,
  settings: PreferenceSettings,
): Omit<PreferenceLoss, 'chosen'> {
  const { beta, sft_weight: sft, z0, lambda_up, lambda_down } = settings;
  switch (example.kind) {
    case 'pair':
      return pairLoss(example.chosen, example.rejected, settings);
    case 'up': {
      const r = beta * (example.reply.logprob - example.reply.reference);
      const s = sigmoid(r - z0);
      const loss = lambda_up * (1 - s) - (sft * example.reply.logprob) / example.reply.tokens;
      return {
        loss,
        margin: r,
        coefficients: [-lambda_up * beta * s * (1 - s) - sft / example.reply.tokens],
      };
    }
    case 'down': {
      const r = beta * (example.reply.logprob - example.reply.reference);
      const s = sigmoid(z0 - r);
      return { loss: lambda_down * (1 - s), margin: -r, coefficients: [lambda_down * beta * s * (1 - s)] };
    }
    case 'sft':
      return {
        loss: -example.reply.logprob / example.reply.tokens,
        margin: 0,
        coefficients: [-1 / example.reply.tokens],
      };
    default:
      return example satisfies never;
  }
}

/** d/dm of the robust loss is −((1−ε)σ(−m) + εσ(m))/(1−2ε). */
function pairLoss(
  chosen: ReplyScore,
  rejected: ReplyScore,
  settings: PreferenceSettings,
): Omit<PreferenceLoss, 'chosen'> {
  const { beta, label_smoothing: epsilon, sft_weight: sft } = settings;
  const m = beta * (chosen.logprob - chosen.reference - (rejected.logprob - rejected.reference));
  const dpo = (-(1 - epsilon) * logSigmoid(m) + epsilon * logSigmoid(-m)) / (1 - 2 * epsilon);
  const slope = -((1 - epsilon) * sigmoid(-m) + epsilon * sigmoid(m)) / (1 - 2 * epsilon);
  return {
    loss: dpo - (sft * chosen.logprob) / chosen.tokens,
    margin: m,
    coefficients: [beta * slope - sft / chosen.tokens, -beta * slope],
  };
}
