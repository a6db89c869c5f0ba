/**
 * How late long flights are, as a function of a lazy frame. It is understood, not just called: this set gets tiles,
 * pruning and all three modes, as the sets in config/feature_sets.yaml do.
 */
import { col } from 'tauro-feature-store';

/** @param {import('tauro-feature-store').Frame} df */
export const computeFeatures = (df) =>
  df.filter(col('distance').gt(1500)).groupBy('origin').agg({ delay: ['sum', 'mean', 'count', 'max'], date: 'max' });
