/** A colour for each head: hues around the circle, equally light, so that none looks stronger than another. */

import { srgb } from './heat.ts';
import { isDark } from './theme.ts';

/** Hue of the first head, in degrees of OKLCH: the page's ember. */
const FIRST_HUE = 45;

export function headColour(head: number, heads: number): string {
  // Neighbours in the list lie far apart on the circle; 5 has no common divisor with the usual numbers of heads.
  const step = heads % 5 === 0 ? 1 : 5;
  const hue = (FIRST_HUE + (360 * ((head * step) % heads)) / Math.max(1, heads)) % 360;
  // Not written as oklch(): what is exported is read by programs that do not know it.
  return `rgb(${srgb(isDark() ? 0.74 : 0.56, 0.15, (hue * Math.PI) / 180).map(Math.round).join(' ')})`;
}
