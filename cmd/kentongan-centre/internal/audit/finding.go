package audit

import (
	"cmp"
	"fmt"
	"slices"

	"kentongan/agent/report"
)

// Faults: what can be wrong with what a centre has.
const (
	Missing    = "missing"    // a number that nobody has, and that nobody explained
	Altered    = "altered"    // a record that is not what the device signed
	Chain      = "chain"      // two neighbours that do not fit; no signature says which of them is wrong
	Place      = "place"      // a record stands under another's number: doubled or reordered
	Content    = "content"    // a number came with two contents
	Checkpoint = "checkpoint" // a checkpoint is gone, or signs what is not here
	Key        = "key"        // signed with a key that is not the device's
	Gap        = "gap"        // a hole is explained by nothing that the device said
	Receipt    = "receipt"    // the centre signed for what is not here
	Removed    = "removed"    // a record, a lane or a device that was here is gone
	Rollback   = "rollback"   // the database, or a lane, is older than what the centre has signed
	Roots      = "roots"      // the log of roots is not as it was written
	Complaint  = "complaint"  // the pages show another complaint than its record
)

// texts say what a fault is, to people.
var texts = map[string]report.Text{
	Missing:    {ID: "Rekaman hilang, tanpa penjelasan.", EN: "A record is missing, and nothing explains it."},
	Altered:    {ID: "Rekaman telah diubah.", EN: "A record was altered."},
	Chain:      {ID: "Rantai rekaman terputus.", EN: "The chain of records is broken."},
	Place:      {ID: "Rekaman digandakan atau dipindahkan.", EN: "A record was doubled or moved."},
	Content:    {ID: "Satu nomor datang dengan dua isi.", EN: "One number came with two contents."},
	Checkpoint: {ID: "Tanda tangan perangkat hilang atau tidak cocok.", EN: "A signature of the device is gone or does not fit."},
	Key:        {ID: "Ditandatangani dengan kunci lain.", EN: "Signed with another key."},
	Gap:        {ID: "Penjelasan rekaman yang hilang itu palsu.", EN: "The explanation of missing records is forged."},
	Receipt:    {ID: "Pusat menandatangani rekaman yang tidak ada di sini.", EN: "The centre signed for records that are not here."},
	Removed:    {ID: "Rekaman, jalur, atau perangkat telah dihapus.", EN: "A record, a lane or a device was removed."},
	Rollback:   {ID: "Basis data dikembalikan ke keadaan lama, dipotong, atau diganti.", EN: "The database was set back, cut short or replaced."},
	Roots:      {ID: "Catatan akar tidak seperti saat ditulis.", EN: "The log of roots is not as it was written."},
	Complaint:  {ID: "Pengaduan yang ditampilkan berbeda dari rekamannya.", EN: "A complaint that is shown differs from its record."},
}

// Finding is one thing that is wrong, where it begins.
type Finding struct {
	Fault  string      `json:"fault"`
	Device string      `json:"device,omitempty"` // "" is the database as a whole
	Epoch  string      `json:"epoch,omitempty"`
	Lane   string      `json:"lane,omitempty"`
	Seq    uint64      `json:"seq,omitempty"` // the first record that is concerned; 0 is none
	Text   report.Text `json:"text"`
	Detail string      `json:"detail"` // English
}

// String is one line for people.
func (f Finding) String() string {
	where := f.Device
	if where == "" {
		where = "database"
	}
	if f.Lane != "" {
		where += "/" + f.Lane + " epoch " + f.Epoch
	}
	if f.Seq > 0 {
		where += fmt.Sprintf(" record %d", f.Seq)
	}
	return fmt.Sprintf("%s: %s: %s %s (%s)", where, f.Fault, f.Text.ID, f.Text.EN, f.Detail)
}

// laneName names a lane of one store of one device.
type laneName struct{ device, epoch, lane string }

func (n laneName) finding(fault string, seq uint64, format string, args ...any) Finding {
	return Finding{
		Fault: fault, Device: n.device, Epoch: n.epoch, Lane: n.lane, Seq: seq,
		Text: texts[fault], Detail: fmt.Sprintf(format, args...),
	}
}

// sortFindings puts those of the whole database first, then by device and lane,
// the first record first.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(laneOrder(a.Lane), laneOrder(b.Lane)), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	})
}

func laneOrder(lane string) int {
	return slices.Index([]string{"", string(report.Complaint), string(report.Event), string(report.Telemetry)}, lane)
}
