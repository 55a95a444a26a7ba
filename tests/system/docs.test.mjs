// The page at /docs in a real browser: Debian's Chromium, driven by Playwright.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { description, operations } from './description.mjs';
import { House, patience } from './harness.mjs';

let h, browser;
before(async () => {
  h = await House.start({ programs: ['edge'] });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'], timeout: patience });
});
after(async () => {
  await browser?.close();
  await h?.stop();
});

/** The page as opened like that; fails at the end when anything went wrong in it or came from elsewhere. */
async function withPage(options, where, use) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const wrong = [];
  page.on('console', (message) => wrong.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`error: ${error}`));
  page.on('requestfailed', (request) => wrong.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(h.url) && !request.url().startsWith('data:')) wrong.push(`elsewhere: ${request.url()}`);
  });
  await context.exposeFunction('tellViolation', (text) => wrong.push(`policy: ${text}`));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => globalThis.tellViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  try {
    await page.goto(`${h.url}/docs${where}`);
    if (options.javaScriptEnabled !== false) await page.waitForFunction(() => !document.getElementById('routes').hasAttribute('aria-busy'));
    await use(page);
    if (process.env.DOCS_SHOTS) await page.screenshot({ path: `${process.env.DOCS_SHOTS}/${Object.keys(options).join('-') || 'plain'}.png`, fullPage: false });
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

const widths = (page) => page.evaluate(() => ({ content: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth }));

test('every route is there, with its parameters, answers and examples', () => withPage({}, '', async (page) => {
  assert.equal(await page.title(), 'Repobus API');
  assert.deepEqual(await page.locator('main h2').allTextContents(), description.tags.map(({ name }) => name));
  assert.equal(await page.locator('.route').count(), operations.length);
  for (const { method, template, operation } of operations) {
    const route = page.locator(`#${operation.operationId}`);
    assert.equal(await route.locator('h3').textContent(), `${method.toUpperCase()} ${template}`);
    assert.deepEqual(await route.locator('.status').allTextContents(), Object.keys(operation.responses));
    assert.equal(await page.locator(`nav a[href="#${operation.operationId}"]`).count(), 1);
  }
  const install = page.locator('#connectRepository');
  await install.locator('summary').first().click();
  assert.ok(await install.getByText('curl -i -X POST -H "Authorization: Bearer $TOKEN"').isVisible());
  assert.match(await install.textContent(), /owner in path, string \(at most 39 characters\)/);
  await install.locator('.answer summary', { hasText: '200' }).click();
  assert.ok(await install.getByText('"status": "connected"').isVisible());
  assert.match(await page.locator('#getProfile').textContent(), /languages list of object.*share number \(0 to 100\)/s);
  assert.match(await page.locator('#receiveWebhook').textContent(), /Body.*application\/x-www-form-urlencoded.*payload/s);
}));

test('routes are found by words and by address, with the keyboard alone', () => withPage({}, '#listDeliveries', async (page) => {
  assert.equal(await page.locator('#listDeliveries').evaluate((element) => element.open), true);
  assert.equal(await page.locator('.route[open]').count(), 1);
  await page.keyboard.press('Enter'); // its heading has the focus
  assert.equal(await page.locator('.route[open]').count(), 0);
  await page.keyboard.press('/');
  await page.keyboard.type('disconnect repo');
  assert.equal(await page.locator('.route:visible').first().getAttribute('id'), 'connectRepository');
  await page.locator('#filter').fill('removes the webhook');
  assert.deepEqual(await page.locator('.route:visible').evaluateAll((all) => all.map(({ id }) => id)), ['disconnectRepository']);
  assert.equal(await page.locator('#found').textContent(), '1 route');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter'); // the only entry of the index
  assert.equal(await page.locator('#disconnectRepository').evaluate((element) => element.open), true);
  await page.locator('#filter').focus();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.route:visible').count(), operations.length);
  await page.locator('#filter').fill('nothing like that');
  assert.equal(await page.locator('#found').textContent(), '0 routes');
}));

test('dark where the person wants it dark, and readable either way', async () => {
  const colours = {};
  for (const colorScheme of ['light', 'dark']) {
    await withPage({ colorScheme }, '#connectRepository', async (page) => {
      // By WCAG 2.2, 1.4.3: 4.5 to 1 for text.
      const contrasts = await page.evaluate(() => {
        const light = (colour) => {
          const [r, g, b] = colour.match(/[\d.]+/g).map((x) => x / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (element) => {
          const colour = getComputedStyle(element).backgroundColor;
          return /, 0\)$/.test(colour) ? behind(element.parentElement) : colour;
        };
        return [...document.querySelectorAll('body *')].filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility()).map((e) => {
          const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
          return [(a + 0.05) / (b + 0.05), `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`];
        });
      });
      assert.ok(contrasts.length > 100);
      assert.deepEqual(contrasts.filter(([ratio]) => ratio < 4.5), []);
      colours[colorScheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    });
  }
  assert.notEqual(colours.light, colours.dark);
});

test('a telephone shows it without scrolling sideways, all routes open', () => withPage({ viewport: { width: 320, height: 640 }, hasTouch: true }, '', async (page) => {
  await page.evaluate(() => document.querySelectorAll('details').forEach((element) => { element.open = true; }));
  const { content, screen } = await widths(page);
  assert.ok(content <= screen, `${content} pixels on ${screen}`);
  const outside = await page.evaluate(() => [...document.querySelectorAll('main *')].filter((e) => !e.closest('pre') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 100)));
  assert.deepEqual(outside, []);
}));

test('without JavaScript it says where the description lies', () => withPage({ javaScriptEnabled: false }, '', async (page) => {
  const note = page.locator('noscript .note');
  assert.match(await note.textContent(), /needs JavaScript/);
  assert.equal(await note.locator('a').getAttribute('href'), '/openapi.json');
}));

test('its policy holds: what is put into the page does not run', async () => {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    await page.goto(`${h.url}/docs`);
    const blocked = await page.evaluate(() => new Promise((resolve) => {
      const found = [];
      addEventListener('securitypolicyviolation', (event) => {
        found.push(event.effectiveDirective);
        if (found.length === 3) resolve(found.sort());
      });
      const script = document.createElement('script');
      script.textContent = 'globalThis.ran = true';
      document.body.append(script);
      const image = document.createElement('img');
      image.src = '/metrics';
      document.body.append(image);
      fetch('https://example.com/').catch(() => {});
    }));
    assert.deepEqual(blocked, ['connect-src', 'img-src', 'script-src-elem']);
    assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  } finally {
    await context.close();
  }
});
