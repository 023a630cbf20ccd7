import type { Client } from '../src/client.js';
import { Fleet } from '../src/fleet.js';

/** A model's only engine. */
export function alone(client: Client): Fleet {
  return new Fleet(client, () => Promise.reject(new Error('no other was to be started')), 1);
}
