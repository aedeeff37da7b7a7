package config

import (
	"fmt"
	"strings"
)

// Group is cameras that one cause can take away together: then there is one
// alarm for all of them. Streams behind one address are a group without being
// declared.
type Group struct {
	Name  string
	Kind  string // switch, poe, address, site
	Label string // for people; "" is the name
}

// groupKinds are the values of Group.Kind.
var groupKinds = []string{"switch", "poe", "address", "site"}

func (g *Group) fields() []field {
	return []field{
		text("name", &g.Name, checkGroup).matching(namePattern).must().like("switch-kp3b").says("Our name of the group; as a stream's."),
		oneOf("kind", &g.Kind, groupKinds...).must().like("switch").says("What they share: it says where to look first when they fail together."),
		brief("label", &g.Label, 80).like("Switch KP3B lantai 2").says("What people call it; else the name."),
	}
}

func groupOf(to *string) field {
	return text("group", to, checkName).matching(namePattern).like("switch-kp3b").
		says("The group under `groups` that the camera belongs to: when enough of a group fail together, there is one alarm for all.")
}

// checkGroup keeps the names of the groups that are made without being declared.
func checkGroup(s string) error {
	if s == "apps" || strings.HasPrefix(s, "address-") {
		return fmt.Errorf("%s is a name that the agent gives to a group of its own; write another", show(s))
	}
	return checkName(s)
}

// checkGroups holds groups and streams together.
func (d *decoder) checkGroups(c *Config) {
	d.once("groups[%d].name", len(c.Groups), func(i int) string { return c.Groups[i].Name })
	members := map[string]int{}
	for _, g := range c.Groups {
		members[g.Name] = 0
	}
	for i, s := range c.Streams {
		path := fmt.Sprintf("streams[%d].group", i)
		if _, there := members[s.Group]; there || s.Group == "" || d.bad[path] {
			members[s.Group]++
			continue
		}
		d.addf(d.at(path), path, "%s", noGroup(s.Group, c.Groups))
	}
	for i, g := range c.Groups {
		path := fmt.Sprintf("groups[%d].name", i)
		if n := members[g.Name]; n < 2 && g.Name != "" && !d.bad[path] {
			d.addf(d.at(path), path, "%s has %d streams; write group: %s at two or more streams, or remove it", show(g.Name), n, g.Name)
		}
	}
}

// noGroup says that a group is not there, and which are.
func noGroup(name string, groups []Group) string {
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	text := fmt.Sprintf("there is no group %s", show(name))
	switch near := Suggest(name, names); {
	case len(names) == 0:
		return text + fmt.Sprintf("; declare it under groups, as - {name: %s, kind: switch}", name)
	case near != "":
		return text + "; did you mean " + near + "?"
	}
	return text + "; there are " + strings.Join(names, ", ")
}
