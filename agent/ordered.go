package agent

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/hal"
)

// What the centre can order of the device as a whole.

// ErrRestart is what Run returns when the centre ordered the agent to start anew,
// or another configuration is to be used.
var ErrRestart = errors.New("the agent is to start anew")

// restart asks Run to end. It returns at once.
func (a *Agent) restart() {
	select {
	case a.again <- struct{}{}:
	default: // it is asked already
	}
}

// watchRestart ends the agent when it is asked.
func (a *Agent) watchRestart(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.again:
		return ErrRestart
	}
}

// openKeys makes the keyring; a file that can't be read is set aside and told, and
// the configuration's key counts.
func (a *Agent) openKeys() {
	file := filepath.Join(a.cfg.Data, keyringName)
	text, err := loadFile(file, maxKeyringFile)
	k, bad := openKeyring(file, a.cfg.Uplink.CentreKey, text)
	if err = errors.Join(err, bad); err != nil && a.cfg.Uplink.CentreKey != "" {
		a.setAside(file, err)
	}
	a.keys = k
}

// blinker shows people which device this is.
type blinker struct{ agent *Agent }

// blinkEvery is a change of the light: two flashes a second, below the three that
// WCAG 2.2 allows (2.3.1).
const blinkEvery = 250 * time.Millisecond

// Identify implements command.Blinker.
func (b blinker) Identify(d time.Duration) (string, error) {
	a := b.agent
	if k := a.kiosk.Load(); k != nil && k.Identify(d) {
		return "the kiosk's lamps", nil
	}
	for _, led := range []string{"ACT", "led0", "PWR"} {
		out, err := a.board.OpenOutput(hal.LineConfig{Name: "identify", LED: led})
		if err != nil {
			continue
		}
		a.blinks.Go(func() { blink(a.living, out, d) })
		return "the board's LED " + led, nil
	}
	return "", errors.New("this device has no lamp and no LED that it may use")
}

// blink ends with ctx, and gives the LED back.
func blink(ctx context.Context, out hal.Output, d time.Duration) {
	tick := time.NewTicker(blinkEvery)
	defer tick.Stop()
	end := time.After(d)
	for on := gpio.High; ; on = !on {
		if err := out.Out(on); err != nil {
			break
		}
		select {
		case <-tick.C:
			continue
		case <-end:
		case <-ctx.Done():
		}
		break
	}
	_ = out.Out(gpio.Low) // it blinked; nothing hangs on it
	_ = out.Halt()
}
