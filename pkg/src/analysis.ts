/** What `model.analyze` takes and gives. */
import type { CallOptions, Layout } from './types.js';

/** What to analyse. */
export interface AnalysisOptions extends CallOptions {
  /** Layers counted from 0; they are taken in their own order, each once. Default all. */
  readonly layers?: 'all' | readonly number[] | undefined;
  /** As those of `embed`. Texts only. */
  readonly promptName?: string | undefined;
  readonly prompt?: string | undefined;
  readonly maxLength?: number | undefined;
}

/** Numbers in a shape, row-major. */
export interface Shaped {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/**
 * What the attention of one text or picture says about the model, in numbers. A `Float32Array` that nothing else is
 * said of has one for each head, `[layers, heads]` row-major. Shares are of all that a token gives, so from 0 to 1.
 * Attention shows where information was taken from; none of this explains a result.
 */
export interface Analysis {
  /** What tokens are. */
  readonly layout: Layout;
  /** Which layers, ascending. */
  readonly layers: readonly number[];
  /** Heads of a layer. */
  readonly heads: number;
  /** Mean entropy of what tokens looked at, in nats: 0 where each looks at one, `ln(tokens)` where at all alike. */
  readonly entropy: Float32Array;
  /** Share that special tokens got, of pictures prefix tokens. */
  readonly specialMass: Float32Array;
  /** Share that tokens gave to the one before them, in the order of `layout`. */
  readonly previous: Float32Array;
  /** Share that tokens gave to themselves. */
  readonly self: Float32Array;
  /** Share that tokens gave to the next. */
  readonly next: Float32Array;
  /** Mean distance that patches look, in patches; other tokens left out. Pictures only, as what follows up to `positionStd`. */
  readonly distance?: Float32Array;
  /** `[layers, heads, rings]`: share given to patches 0, 1, 2, … steps away, diagonal steps counted as one. */
  readonly rings?: Shaped;
  /**
   * `[layers, heads, 2·rows − 1, 2·columns − 1]`: what patches gave on the average to the patch at each offset, with
   * themselves in the middle; other tokens left out.
   */
  readonly aligned?: Shaped;
  /** The offset that got most from each head, in the order of heads. */
  readonly offsets?: readonly HeadOffset[];
  /** How much what patches look at depends on which patch looks: a standard deviation. */
  readonly positionStd?: Float32Array;
  /** Which heads are alike, by their Jensen-Shannon distance; of long inputs by some rows, evenly taken. */
  readonly clusters: {
    /** `[layers × heads, 2]`: a place for each head, the nearer the more alike. */
    readonly position: Float32Array;
    /** The group of each head, counted from 0: 2 to 8 groups. */
    readonly label: readonly number[];
  };
  /** Tokens that get 0.3 or, in long inputs, ten times their even share from the others, in the mean of a layer's heads. */
  readonly sinks: readonly Sink[];
  /** One for each layer, by the mean of its heads. */
  readonly graph: readonly LayerGraph[];
  /** Of all layers of the model, whatever `layers` says. */
  readonly rank: RankCurves;
}

/** An offset in patches. */
export interface HeadOffset {
  /** To the right. */
  readonly dx: number;
  /** Down. */
  readonly dy: number;
  /** What patches that have a patch there gave to it. */
  readonly share: number;
  /** Whether the head looks at one neighbour: one step away at most, not itself, with half of the attention or more. */
  readonly local: boolean;
}

/** A token that gets far more than its share. */
export interface Sink {
  /** Its place among the tokens of `layout`. */
  readonly token: number;
  /** The first layer in which it does. */
  readonly firstLayer: number;
  /** In how many layers of `layers` from there. */
  readonly lifetime: number;
  /** Whether from the first quarter of them to the last. */
  readonly primary: boolean;
  /** What it gets from the others on the average, by layer of `layers`. */
  readonly mass: readonly number[];
}

/** A layer's attention as a graph: an edge to each token that gets more than twice its even share from another. */
export interface LayerGraph {
  /**
   * - `centralised`: one token gets 0.3 of all attention or more.
   * - `bidirectional`: the first and the last token get 0.4 or more together, neither much less than the other.
   * - `distributed`: neither.
   */
  readonly type: 'centralised' | 'distributed' | 'bidirectional';
  /** 1 where all edges lead to one token, 0 where all tokens get as many (Freeman's, of edges that come in). */
  readonly centralisation: number;
  /** The second eigenvalue of the normalised Laplacian: 0 where the graph falls apart. */
  readonly connectivity: number;
  /** Into how many parts it falls. */
  readonly components: number;
  /** What the token that gets most gets of all attention. */
  readonly sinkShare: number;
  /** What the first token gets. */
  readonly start: number;
  /** What the last token gets. */
  readonly end: number;
}

/**
 * How nearly all tokens are the same behind 0, 1, 2, … layers: 0 where they are, by `‖res(X)‖ / ‖X‖` of Dong et al.,
 * 2021. With parts of the layers left out it shows what keeps tokens apart; LayerNorms are always kept.
 */
export interface RankCurves {
  readonly full: readonly number[];
  /** Without residual connections. */
  readonly noResidual: readonly number[];
  /** Without feed-forward blocks. */
  readonly noFeedForward: readonly number[];
  /** Without either. */
  readonly attentionOnly: readonly number[];
}
