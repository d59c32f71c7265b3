import type { Database } from '../db/database.ts';
import type { AccountId } from './ids.ts';

export type AccountKind = 'organization' | 'individual';
export type AccountStatus = 'active' | 'suspended';

export interface Account {
  readonly id: AccountId;
  readonly publicId: string;
  readonly externalId: string | null;
  readonly kind: AccountKind;
  readonly name: string;
  readonly status: AccountStatus;
  readonly overdraftLimit: bigint;
  readonly createdAt: number;
}
