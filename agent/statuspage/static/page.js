'use strict';
(() => {
	const $ = id => document.getElementById(id);
	const data = JSON.parse($('data').textContent);
	const text = key => data.texts[key] || key;
	const put = (el, s) => { if (el.textContent !== s) el.textContent = s; }; // a live region speaks only of changes
	const silent = 10000; // ms without a word: what is shown may not hold any more
	let heard = performance.now();

	// What has changed comes as HTML that the device made, its values escaped.
	const onTrial = () => { $('keep').hidden = !$('trial').querySelector('[data-trial]'); };
	onTrial();
	let source;
	function listen() {
		source = new EventSource('/live');
		source.onmessage = e => {
			heard = performance.now();
			const news = JSON.parse(e.data);
			if (news.layout !== data.layout) return location.reload();
			for (const [id, html] of Object.entries(news.parts || {})) if ($(id)) $(id).innerHTML = html;
			onTrial();
			$('stale').hidden = true;
		};
	}
	listen();
	setInterval(async () => {
		if (performance.now() - heard > silent) {
			put($('stale'), text('stale'));
			$('stale').hidden = false;
		}
		if (source.readyState !== EventSource.CLOSED) return;
		const r = await fetch('/status.json', {cache: 'no-store'}).catch(() => null);
		if (r && r.status === 401) location.reload(); // to the door
		if (source.readyState === EventSource.CLOSED) listen();
	}, 2000);
	addEventListener('pagehide', () => source.close());
	addEventListener('pageshow', e => { if (e.persisted) listen(); });

	async function ask(path, body) {
		try {
			const r = await fetch(path, body === undefined ? {cache: 'no-store'} : {method: 'POST', body: JSON.stringify(body)});
			return await r.json();
		} catch {
			return {error: text('err.gone')};
		}
	}
	const words = a => [a.ok || a.error, a.detail].filter(x => x).join(' ');
	async function busy(el, work) {
		if (el.getAttribute('aria-busy') === 'true') return;
		el.setAttribute('aria-busy', 'true');
		try { await work(); } finally { el.removeAttribute('aria-busy'); }
	}
	const line = (tag, s, cls) => {
		const el = document.createElement(tag);
		el.textContent = s;
		if (cls) el.className = cls;
		return el;
	};

	for (const a of document.querySelectorAll('[data-picture]')) a.addEventListener('click', e => {
		e.preventDefault();
		busy(a, async () => {
			const at = a.closest('li').querySelector('.picture');
			const r = await fetch(a.href, {cache: 'no-store'}).catch(() => null);
			if (!r || !r.ok) {
				const said = r ? await r.json().catch(() => ({})) : {error: text('err.gone')};
				at.replaceChildren(line('p', words(said)));
				at.firstChild.setAttribute('role', 'status');
				return;
			}
			const blob = await r.blob();
			const reader = new FileReader(); // the policy allows data: and no blob:
			reader.onload = () => {
				const img = document.createElement('img');
				img.alt = text('picture.of') + ' ' + a.dataset.picture;
				img.src = reader.result;
				const p = line('p', text('taken') + ' ' + r.headers.get('X-Taken-At'), 'small');
				p.setAttribute('role', 'status');
				at.replaceChildren(img, p);
			};
			reader.readAsDataURL(blob);
		});
	});

	$('identify').onclick = () => busy($('identify'), async () => put($('identified'), words(await ask('/identify', {}))));

	$('examine').onclick = () => busy($('examine'), async () => {
		$('checks').replaceChildren();
		put($('examined'), text('doctor.works'));
		const counts = {};
		try {
			const r = await fetch('/doctor', {method: 'POST', body: '{}'});
			const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
			let rest = '';
			for (;;) {
				const {value, done} = await reader.read();
				if (done) break;
				const lines = (rest + value).split('\n');
				rest = lines.pop();
				for (const l of lines) {
					const c = JSON.parse(l);
					if (c.error) return put($('examined'), words(c));
					counts[c.state] = (counts[c.state] || 0) + 1;
					const cls = {ok: 'good', fail: 'bad', warn: 'warn'}[c.state] || '';
					const li = document.createElement('li');
					li.append(line('b', {ok: '✓ ', fail: '✗ ', warn: '! '}[c.state] || '– ', 'mark ' + cls), line('b', c.title + ' '), line('span', text('check.' + c.state) + ' ', cls), line('div', c.seen, 'small'));
					if (c.next) li.append(line('div', text('next') + ' ' + c.next));
					$('checks').append(li);
				}
			}
			put($('examined'), text('doctor.done') + ' ' + Object.entries(counts).map(([k, n]) => n + ' ' + text('check.' + k)).join(', '));
		} catch {
			put($('examined'), text('err.gone'));
		}
	});

	let base = '';
	$('open').onclick = () => busy($('open'), async () => {
		const a = await ask('/config');
		put($('judged'), words(a));
		$('problems').replaceChildren();
		if (a.error) return;
		base = a.base;
		$('text').value = a.text;
		$('editor').hidden = false;
		$('text').focus();
	});
	function show(a) {
		put($('judged'), words(a));
		$('problems').replaceChildren(...(a.problems || []).map(p => {
			const li = document.createElement('li');
			const b = line('button', (p.line ? text('line') + ' ' + p.line + ', ' + text('column') + ' ' + p.column + ': ' : '') + [p.path, p.text].filter(x => x).join(': '), 'quiet caret');
			b.type = 'button';
			b.lang = 'en';
			b.onclick = () => {
				const lines = $('text').value.split('\n');
				const at = lines.slice(0, Math.max(p.line - 1, 0)).reduce((n, l) => n + l.length + 1, 0) + Math.max(p.column - 1, 0);
				$('text').focus();
				$('text').setSelectionRange(at, at + 1);
			};
			li.append(b);
			return li;
		}));
	}
	$('check').onclick = () => busy($('check'), async () => show(await ask('/config/check', {Text: $('text').value, Base: base})));
	$('apply').onclick = () => busy($('apply'), async () => {
		const a = await ask('/config/apply', {Text: $('text').value, Base: base});
		show(a);
		if (a.ok) $('editor').hidden = true;
	});
	$('keep').onclick = () => busy($('keep'), async () => show(await ask('/config/keep', {})));

	let after = 0, tailing;
	async function tail() {
		const a = await ask('/log?after=' + after);
		if (!a.lines) return;
		after = a.next;
		const el = $('tail'), end = el.scrollHeight - el.scrollTop - el.clientHeight < 40;
		for (const l of a.lines) el.append(line('p', l.time.slice(0, 19).replace('T', ' ') + ' ' + l.level + ' ' + l.text, l.level));
		while (el.childElementCount > 300) el.firstChild.remove();
		if (end) el.scrollTop = el.scrollHeight;
	}
	$('showlog').onclick = () => {
		const open = $('tail').hidden;
		$('tail').hidden = !open;
		$('showlog').setAttribute('aria-expanded', open);
		clearInterval(tailing);
		if (open) {
			tail();
			tailing = setInterval(tail, 2000);
		}
	};
})();
