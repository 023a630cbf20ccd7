// What the tests of both panels "What the heads do" share.
import { expect } from 'vitest';

/** The colours of the table by row, each as bytes, and what each square says in words. */
export async function squares(page) {
  await page.waitForSelector('[data-testid=head-table] button');
  return page.evaluate(() => {
    const table = document.querySelector('[data-testid=head-table]');
    const colour = (button) => getComputedStyle(button).backgroundColor.match(/\d+/g).map(Number);
    return {
      rows: [...table.querySelectorAll('[role=row]')].slice(1).map((row) => [...row.querySelectorAll('button')].map(colour)),
      titles: [...table.querySelectorAll('button')].map((button) => button.title),
    };
  });
}

/** Walks to a head with arrow keys and picks it with Enter. */
export async function picksAHead(page, layer, head) {
  await page.locator('[data-testid=head-table] [tabindex="0"]').focus();
  for (let step = 0; step < layer; step++) await page.keyboard.press('ArrowDown');
  for (let step = 0; step < head; step++) await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  const picked = await page.$$eval('[data-testid=head-table] [aria-selected=true]', (all) => all.map(({ dataset }) => `${dataset.layer} ${dataset.head}`));
  expect(picked).toEqual([`${layer} ${head}`]);
  expect(await page.$$eval('[data-testid=head-groups] .picked', (all) => all.map(({ dataset }) => `${dataset.layer} ${dataset.head}`))).toEqual(picked);
}
