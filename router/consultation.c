/* SPDX-License-Identifier: MIT */
/* consultation.c - routers ask each other what their policies say */
#include "consultation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "peer_message.h"
#include "policy_statement.h"

#define PLACE_LEN	(SLIM_WIRE_VERDICT_MAX / 2)

static struct loop *loop;
static uint64_t tokens;
static CDS_LIST_HEAD(pending);

static const uint16_t protocols[] = {
	[CLASSIFIER_TCP] = IPPROTO_TCP, [CLASSIFIER_UDP] = IPPROTO_UDP,
	[CLASSIFIER_ICMP] = IPPROTO_ICMP,
};

#define PROTOCOLS_NUM	(sizeof(protocols) / sizeof(protocols[0]))

/* --- asking --- */

static void finish(struct consultation *consultation, const struct consultation_answer *answer)
{
	consultation_cancel(consultation);
	consultation->done(consultation, answer);
}

static void timer_handle(struct loop_timer *timer)
{
	finish(caa_container_of(timer, struct consultation, timer), NULL);
}

void consultation_start(struct consultation *consultation, struct peer *peer,
			const struct policy_question *question)
{
	struct peer_message message = {
		.type = SLIM_MESSAGE_POLICY_QUESTION,
		.question = {
			.token = ++tokens,
			.source_vni = question->source_vni,
			.destination_vni = question->destination_vni,
			.protocol = protocols[question->service >> 16],
			.port = question->service & 0xffff,
		},
	};

	memcpy(&message.question.source, question->source, sizeof(question->source));
	memcpy(&message.question.destination, question->destination,
	       sizeof(question->destination));
	consultation->peer = peer;
	consultation->token = tokens;
	consultation->timer = (struct loop_timer){ .handle = timer_handle };
	cds_list_add_tail(&consultation->node, &pending);
	loop_timer_set(loop, &consultation->timer, CONSULTATION_WAIT);
	peer_send(peer, &message);
}

void consultation_cancel(struct consultation *consultation)
{
	cds_list_del(&consultation->node);
	loop_timer_clear(loop, &consultation->timer);
}

static void take_verdict(const struct peer *peer, const struct peer_verdict *verdict)
{
	const struct consultation_answer answer = {
		.allowed = verdict->allowed,
		.rule = verdict->text,
		.line = verdict->text + strlen(verdict->text) + 1,
	};
	struct consultation *consultation;

	cds_list_for_each_entry(consultation, &pending, node)
		if (consultation->peer == peer && consultation->token == verdict->token) {
			finish(consultation, &answer);
			return;
		}
}

/* --- answering --- */

/* Place and line of the rule, as the wire has them; returns the length. */
static size_t write_rule(const struct policy_verdict *verdict, char text[SLIM_WIRE_VERDICT_MAX])
{
	const struct policy_place *place = verdict->rule ? &verdict->rule->place : NULL;
	size_t len = 0, used = 0;
	char *line = NULL;

	if (place) {
		snprintf(text, PLACE_LEN, "%s:%u",
			 verdict->policy->sources.files[place->file].name, place->line);
		line = policy_statement_text(verdict->policy, place, &len);
	} else {
		text[0] = '\0';
	}
	used = strlen(text) + 1;
	if (!line)
		len = 0;
	if (len > SLIM_WIRE_VERDICT_MAX - used - 1)
		len = SLIM_WIRE_VERDICT_MAX - used - 1;
	if (len)
		memcpy(text + used, line, len);
	free(line);
	text[used + len] = '\0';
	/* A line may hold zeroes. */
	return used + strlen(text + used) + 1;
}

static void answer_question(struct peer *peer, const struct peer_question *asked)
{
	struct policy_question question = {
		.source_vni = asked->source_vni, .destination_vni = asked->destination_vni,
	};
	struct peer_message message = {
		.type = SLIM_MESSAGE_POLICY_VERDICT, .verdict.token = asked->token,
	};
	char text[SLIM_WIRE_VERDICT_MAX];
	struct policy_verdict verdict;

	memcpy(question.source, &asked->source, sizeof(question.source));
	memcpy(question.destination, &asked->destination, sizeof(question.destination));
	for (uint32_t i = 0; i < PROTOCOLS_NUM; i++)
		if (protocols[i] == asked->protocol)
			question.service = CLASSIFIER_SERVICE(i, asked->port);
	policy_ask(&question, &verdict);
	message.verdict.allowed = verdict.allowed;
	message.verdict.text = text;
	message.verdict.len = write_rule(&verdict, text);
	peer_send(peer, &message);
}

static void receive(struct peer *peer, const struct peer_message *message)
{
	if (message->type == SLIM_MESSAGE_POLICY_QUESTION)
		answer_question(peer, &message->question);
	else
		take_verdict(peer, &message->verdict);
}

void consultations_init(struct loop *control)
{
	loop = control;
	peers_on_policy(receive);
}

void consultations_exit(void)
{
	peers_on_policy(NULL);
}
