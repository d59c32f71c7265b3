import { Type } from 'typebox';
import type { Account } from '../../../ledger/accounts/accounts.ts';
import type { Posted } from '../../../ledger/history/past.ts';
import type { Balance } from '../../../ledger/lane/unlocked-read.ts';
import { formatCents } from '../../../ledger/operations/money.ts';
import { AccountPublicId, Cents, Instant, OneOf, OrNull } from '../../input/formats.ts';
import { formatInstant } from '../../input/instants.ts';

export const ACCOUNT_KINDS = ['organization', 'individual'] as const;
export const ACCOUNT_STATUSES = ['active', 'suspended'] as const;

export const AccountResource = Type.Object(
  {
    type: Type.Literal('account'),
    id: AccountPublicId(),
    attributes: Type.Object({
      kind: OneOf(ACCOUNT_KINDS),
      name: Type.String(),
      external_id: OrNull(Type.String()),
      status: OneOf(ACCOUNT_STATUSES),
      overdraft_limit: Cents('The most that the account may be below zero.'),
      created_at: Instant('The time at which it was made.'),
    }),
  },
  { $id: 'Account' },
);

export function accountResource(account: Account) {
  return {
    type: 'account',
    id: account.publicId,
    attributes: {
      kind: account.kind,
      name: account.name,
      external_id: account.externalId,
      status: account.status,
      overdraft_limit: formatCents(account.overdraftLimit),
      created_at: formatInstant(account.createdAt),
    },
  };
}

/** The parts of a posted balance. */
export const ByCategory = Type.Object(
  {
    paid: Cents(),
    promotional: Cents(),
    overdraft: Cents(
      'Below zero: the debt of the account. Above zero: credit that reversals gave back beyond the debt.',
    ),
  },
  { description: 'Adds up to `posted`.' },
);

export function byCategoryOf({ paid, promotional, overdraft }: Posted['byCategory']) {
  return {
    paid: formatCents(paid),
    promotional: formatCents(promotional),
    overdraft: formatCents(overdraft),
  };
}

export const BalanceResource = Type.Object(
  {
    type: Type.Literal('balance'),
    id: AccountPublicId(),
    attributes: Type.Object({
      posted: Cents('The sum of all entries.'),
      held: Cents('The sum of open holds.'),
      available: Cents('`posted` minus `held`; the overdraft is not counted.'),
      overdraft_limit: Cents(),
      by_category: ByCategory,
      next_expiry: OrNull(
        Type.Object(
          {
            at: Instant('The next time at which credit expires.'),
            amount: Cents('The credit that expires then.'),
          },
          {},
        ),
      ),
    }),
  },
  { $id: 'Balance' },
);

export function balanceResource(publicId: string, balance: Balance) {
  const { byCategory, nextExpiry } = balance;
  return {
    type: 'balance',
    id: publicId,
    attributes: {
      posted: formatCents(balance.posted),
      held: formatCents(balance.held),
      available: formatCents(balance.available),
      overdraft_limit: formatCents(balance.overdraftLimit),
      by_category: byCategoryOf(byCategory),
      next_expiry: nextExpiry && {
        at: formatInstant(nextExpiry.at),
        amount: formatCents(nextExpiry.amount),
      },
    },
  };
}

export const PastBalanceResource = Type.Object(
  {
    type: Type.Literal('balance'),
    id: AccountPublicId(),
    attributes: Type.Object({
      at: Instant('The instant that was asked for.'),
      posted: Cents('The sum of all entries until then.'),
      by_category: ByCategory,
    }),
  },
  { $id: 'PastBalance' },
);

/** The posted balance at a past instant. */
export function pastBalanceResource(publicId: string, at: number, { posted, byCategory }: Posted) {
  return {
    type: 'balance',
    id: publicId,
    attributes: {
      at: formatInstant(at),
      posted: formatCents(posted),
      by_category: byCategoryOf(byCategory),
    },
  };
}
