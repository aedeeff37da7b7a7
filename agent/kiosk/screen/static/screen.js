'use strict';
(() => {
	const $ = id => document.getElementById(id);
	const data = JSON.parse($('data').textContent);
	const first = document.documentElement.lang;
	const silent = 5000; // ms without a word from the kiosk: it is dead
	const idle = 60000; // ms without a touch: the next person gets a clean page
	const answerFor = 30000; // ms that an answer is shown
	let lang = first;
	let now = {state: 'out'}; // what the kiosk said last
	let heard = performance.now();
	let touched = 0; // when somebody last touched the page, 0 for a clean one
	let answerEnd = 0;

	const text = key => data.texts[lang].texts[key] || data.texts[first].texts[key] || key;
	const put = (el, s) => { if (el && el.textContent !== s) el.textContent = s; }; // a live region speaks only of changes
	const hide = (el, yes) => { if (el && el.hidden !== yes) el.hidden = yes; };
	// A text that the language has not is Indonesian, and is read out as that.
	const own = (el, ...keys) => { if (keys.some(k => (data.texts[lang].borrowed || []).includes(k))) el.lang = 'id'; else el.removeAttribute('lang'); };
	const t = (el, key) => { el.dataset.t = key; own(el, key); put(el, text(key)); };
	const named = button => data.texts[lang].services[button] || button;

	function speak(code, dir) {
		lang = code;
		document.documentElement.lang = code;
		document.documentElement.dir = dir;
		for (const el of document.querySelectorAll('[data-t]')) t(el, el.dataset.t);
		for (const el of document.querySelectorAll('[data-l]')) el.setAttribute('aria-label', text(el.dataset.l));
		for (const el of document.querySelectorAll('[data-button]')) put(el, data.texts[lang].services[el.dataset.button]);
		for (const el of document.querySelectorAll('[data-lang]')) el.setAttribute('aria-pressed', el.dataset.lang === code);
		const h = document.querySelector('h1');
		document.title = h.textContent;
		show(now);
	}

	function show(s) {
		if (s.ticket && s.ticket !== now.ticket) shut(); // somebody pressed: what another asked for is not for him
		now = s;
		document.body.dataset.state = s.state;
		const touchable = document.querySelector('[data-button]') !== null;
		t($('say'), s.withdrawn ? 'withdrawn' : s.state === 'ready' && touchable ? 'ready.touch' : s.state);
		let more = '', key = '';
		if (s.state === 'unkept' || s.state === 'out') {
			more = text(key = s.state + '.more');
			if (data.help) more += ' ' + text('out.help').replace('{help}', data.help);
		} else if (s.dead) more = text(key = 'part').replace('{names}', s.dead.map(named).join(', '));
		else if (s.state === 'ready' && s.waiting) more = text(key = 'waiting').replace('{n}', s.waiting);
		own($('more'), key);
		put($('more'), more);
		hide($('more'), !more);
		hide($('kept'), !s.ticket);
		put($('ticket'), s.ticket || '');
		put($('pin'), s.pin || '');
		put($('label'), !s.ticket ? '' : (data.texts[lang].services[s.button] || (lang === 'en' ? s.label_en : s.label_id) || ''));
		put($('left-time'), s.ticket ? text('left').replace('{n}', s.left) : '');
		hide($('cancel'), !s.cancel);
	}

	function shut() {
		answerEnd = 0;
		hide($('answer'), true);
		hide($('after'), true);
		put($('answered'), '');
	}

	function forget() {
		$('field').value = '';
		shut();
		put($('said'), '');
	}

	async function post(path, body) {
		try {
			const r = await fetch(path, {method: 'POST', body: JSON.stringify(body), cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(14000)});
			return await r.json();
		} catch {
			return {error: 'gone'};
		}
	}

	function complain(a) { put($('said'), a.error ? text('err.' + a.error) : ''); }

	// The kiosk says how it is at each change and every two seconds.
	let source;
	function listen() {
		source = new EventSource('/events');
		source.onmessage = e => {
			heard = performance.now();
			show(JSON.parse(e.data));
		};
	}
	listen();
	setInterval(() => {
		const at = performance.now();
		if (at - heard > silent) {
			if (now.state !== 'out' || now.ticket) {
				forget();
				show({state: 'out'});
			}
			if (source.readyState === EventSource.CLOSED) listen();
		}
		if (answerEnd && at > answerEnd) shut();
		put($('answer-left'), answerEnd ? text('left').replace('{n}', Math.ceil((answerEnd - at) / 1000)) : '');
		if (touched && at - touched > idle) {
			touched = 0;
			forget();
			speak(first, document.querySelector('[data-lang="' + first + '"]').dataset.dir);
		}
	}, 500);

	for (const kind of ['pointerdown', 'keydown']) document.addEventListener(kind, () => { touched = performance.now(); }, true);
	for (const el of document.querySelectorAll('[data-lang]')) el.onclick = () => speak(el.dataset.lang, el.dataset.dir);
	for (const el of document.querySelectorAll('[data-button]')) el.onclick = async () => {
		if (el.getAttribute('aria-busy') === 'true') return;
		el.setAttribute('aria-busy', 'true');
		complain({});
		complain(await post('/touch', {Button: el.dataset.button}));
		el.removeAttribute('aria-busy');
	};
	$('longer').onclick = () => post('/more', {Ticket: now.ticket || ''});
	if ($('cancel')) $('cancel').onclick = async () => complain(await post('/cancel', {Button: now.button || '', Ticket: now.ticket || ''}));

	// The field takes what is typed, touched or scanned. A scanner types as a
	// keyboard does, wherever the focus is.
	const field = $('field');
	const grouped = s => {
		if (/[:/#?]/.test(s)) return s; // an address from a QR code
		const c = s.toUpperCase().replace(/[^0-9A-Z]/g, '').slice(0, 13);
		return [c.slice(0, 4), c.slice(4, 8), c.slice(8, 9)].filter(x => x).join('-') + (c.length > 9 ? ' ' + c.slice(9) : '');
	};
	field.addEventListener('input', () => {
		if (field.selectionStart === field.value.length) field.value = grouped(field.value);
	});
	document.addEventListener('keydown', e => {
		if (e.target !== field && e.key.length === 1 && /[0-9a-z]/i.test(e.key) && !e.ctrlKey && !e.altKey && !e.metaKey) {
			field.value = '';
			field.focus();
		}
	});
	for (const el of document.querySelectorAll('[data-key]')) el.onclick = () => { field.value = grouped(field.value + el.dataset.key); };
	$('back').onclick = () => { field.value = grouped(field.value.replace(/[^0-9A-Za-z]*[0-9A-Za-z]$/, '')); };
	$('clear').onclick = forget;
	$('answer-longer').onclick = () => { answerEnd = performance.now() + answerFor; };
	$('close').onclick = () => { forget(); field.focus(); };
	$('form').addEventListener('submit', async e => {
		e.preventDefault();
		const a = await post('/ticket', {Text: field.value});
		field.value = '';
		const note = lang === 'en' ? a.note_en || a.note_id : a.note_id || a.note_en;
		put($('answered'), a.error ? text('err.' + a.error) :
			[a.ticket + ':', text('state.' + a.state), a.at ? text('since') + ' ' + a.at + '.' : ''].filter(x => x).join(' '));
		own($('answered'), a.error ? 'err.' + a.error : 'state.' + a.state);
		if (note) { // the centre's words, read out in their own language
			const el = document.createElement('span');
			el.lang = note === a.note_id ? 'id' : 'en';
			el.textContent = ' ' + note;
			$('answered').append(el);
		}
		hide($('answer'), false);
		hide($('after'), false);
		answerEnd = performance.now() + answerFor;
		$('after').scrollIntoView({block: 'nearest'}); // a low screen shows it below its edge
	});
})();
